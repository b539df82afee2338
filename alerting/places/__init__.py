"""How far a router has read and folded each partition."""
