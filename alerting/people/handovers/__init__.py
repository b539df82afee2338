"""Hand-overs as PostgreSQL keeps them."""
