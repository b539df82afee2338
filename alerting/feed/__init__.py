"""The city's shared feed: every change of an incident onto Kafka."""
