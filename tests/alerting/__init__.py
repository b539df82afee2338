"""Alarms, incidents, notices: tables, timelines in virtual time, and every interleaving."""
