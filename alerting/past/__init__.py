"""What was sent while PostgreSQL was away, and how it is brought in line with what is stored."""
