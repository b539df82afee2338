"""The console without servers: doors, sessions, second factor, evidence, words."""
