"""What the duty desk reads and does."""
