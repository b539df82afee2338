"""The fault programme: real servers and services, killed on purpose, and a ledger that knows better."""
