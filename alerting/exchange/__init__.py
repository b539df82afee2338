"""What is agreed with others: the emergency platform, the city's case desk, who warns us."""
