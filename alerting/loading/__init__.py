"""What a step may see, read from PostgreSQL."""
