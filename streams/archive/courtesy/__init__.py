"""Storing gives way to alarms on a machine that they share."""
