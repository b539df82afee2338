"""What a step decided, written down: incidents, alarms, findings, outbox and audit in one transaction."""
