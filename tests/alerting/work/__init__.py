"""Work orders and the watch after them, without a database."""
