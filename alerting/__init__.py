"""Findings in, acknowledged incidents out: alarms, incidents, notices, the duty officer's console.

The engine is pure; PostgreSQL holds every state, with audit and outbox in the same transaction.
"""
