"""Silence is an alarm: a canary through the whole chain, and a voice when it is missing.

It shares nothing with the router but Kafka: it must still speak when the router cannot.
"""
