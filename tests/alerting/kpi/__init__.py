"""Tests of the alarm figures."""
