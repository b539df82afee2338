"""Notices on their way out: leased, sent, marked, and never lost."""
