"""What TimescaleDB does by itself and plain PostgreSQL does not: aggregates and retention."""
