"""Vendors on this machine, as their public documents describe them."""
