"""The canary: on every partition, missed when it is missing."""
