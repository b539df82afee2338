"""Calls: what a caller says as a finding."""
