"""Readings in, findings out, everything archived: the two Faust workers of the pipeline.

``detect`` runs the detectors, ``archive`` writes TimescaleDB; neither waits for the other.
"""
