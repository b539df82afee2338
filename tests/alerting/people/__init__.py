"""Rosters, pages to people and hand-overs."""
