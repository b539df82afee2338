"""Exercises, without a database."""
