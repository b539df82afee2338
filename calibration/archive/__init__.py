"""What the archive and the desk have of a time."""
