"""What lies before the duty desk: the queue by risk, alarms out of sight, windows, proposals."""
