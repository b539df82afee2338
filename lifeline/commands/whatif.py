"""``lifeline whatif``: stored readings once with today's rules, once with a new profile."""
