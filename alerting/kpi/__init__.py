"""Figures of the alarm system: how many, how fast, how often wrong."""
