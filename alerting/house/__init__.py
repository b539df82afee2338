"""The rules by which router and console work, as files and settings have them now."""
