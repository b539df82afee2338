"""Stages on real mosquitto, Kafka and PostgreSQL, started once a session by ``lifeline.stack``."""
