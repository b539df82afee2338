"""Plans and rules of correlation as they lie on disk."""
