"""MQTT in, readings out: decodes, checks, flags, writes to Kafka, and then acknowledges.

Nothing is acknowledged before Kafka has it on ``acks=all``.
"""
