"""Windows, grids, meters and partitions: exact over cuts, orders and restarts."""
