"""What a router does by the clock beside its findings."""
