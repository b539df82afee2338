"""Readings to TimescaleDB, each exactly once; slow or stopped, it delays charts and no alarm."""
