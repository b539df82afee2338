"""Accounts of the console: who has one, how he proves it, and what a sign-in leaves behind."""
