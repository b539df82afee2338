"""What a city installs and edits: settings, its catalog, and the configuration of each server.

Ships in the wheel, so that an installed command finds it; there is no code here.
"""
