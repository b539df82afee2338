"""Deadlines met at their time, one that cannot be without the others."""
