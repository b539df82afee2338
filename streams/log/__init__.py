"""Kafka beside Faust: our own idempotent producer, and reading an exact range of offsets.

Faust gives the consumer loop and the group; what must be exact is done here with plain aiokafka.
"""
