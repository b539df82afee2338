"""Retention by class, and what TimescaleDB does by itself and plain PostgreSQL does not."""
