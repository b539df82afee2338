"""Learning before the stream: recordings of the past read, what detectors need fitted to them.

It serves the utility, by ``lifeline calibrate``, and the bench that judges the detectors.
"""
