"""MQTT in, readings out: decodes, checks and flags what devices send, writes it to Kafka, then acknowledges.

Nothing is acknowledged before Kafka has it on ``acks=all``.
"""
