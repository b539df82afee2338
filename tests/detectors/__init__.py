"""Detectors, plan and bank: pure, without servers."""
