"""What people tell on the telephone, as findings."""
