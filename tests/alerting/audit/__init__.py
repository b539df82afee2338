"""Tests of the audit's chains, seals and anchors."""
