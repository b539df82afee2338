"""How a partition's state is made anew: the newest snapshot, and the records since."""
