"""Physics against published tables, senders that lose nothing, the platform that checks."""
