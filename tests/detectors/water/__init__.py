"""Leaks of water networks: pure, on a small town with known truth."""
