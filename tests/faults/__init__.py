"""The fault programme: real servers and services killed on purpose, a ledger that knows better."""
