"""Figures that others can measure again: the chain under load, and single legs without servers.

Each script says in its first lines what it measures; results stand in docs/performance.md.
"""
