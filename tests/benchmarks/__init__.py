"""The benches themselves: what judges must be right first."""
