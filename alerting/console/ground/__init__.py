"""What every request of the console shares."""
