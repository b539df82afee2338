"""What proves an incident afterwards: its readings, copied in time, and everything in one file."""
