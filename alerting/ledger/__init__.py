"""What a step decided, written down: incidents, alarms, outbox and audit in one transaction."""
