"""Exercises on the real chain: begun, played, ended by themselves, and scored."""
