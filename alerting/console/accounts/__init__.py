"""Accounts of the console: who has one, how he proves that it is his, and what a sign-in leaves behind."""
