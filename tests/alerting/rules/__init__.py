"""Versions of rules and limits, without a database."""
