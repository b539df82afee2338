"""Work orders in: what is announced to us, and the watch over the zones connected with it."""
