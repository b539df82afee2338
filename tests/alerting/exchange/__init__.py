"""Tests of what is agreed with others."""
