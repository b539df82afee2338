"""Frames in, scores out: one file a detector, parameters are the detector, state is arrays.

Pure: no I/O, no clock, no randomness; the bank chains them over a partition's readings.
"""
