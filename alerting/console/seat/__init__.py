"""What one request sees of the database."""
