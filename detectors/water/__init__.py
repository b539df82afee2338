"""Leaks of a water network: what flows explain, what a leak would show, which leaks are known."""
