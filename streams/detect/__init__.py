"""Readings to findings: the worker that alarms depend on, and that depends on nothing but Kafka."""
