"""Tests of what proves an incident afterwards."""
