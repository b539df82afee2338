"""Rules, work orders and exercises as the console's doors ask for them."""
