"""The proof of what was done: lines chained, chains sealed together, seals anchored outside."""
