"""Learning before the stream."""
