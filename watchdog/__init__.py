"""Silence is an alarm: a canary reading through the whole chain, and a voice of its own when it is missing.

It shares nothing with the router but Kafka: it must still speak when the router cannot.
"""
