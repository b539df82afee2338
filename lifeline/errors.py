"""The world's failures, with one bit: try again, or give up and say so."""


class Unavailable(Exception):
    """Something we need does not answer: keep the input unacknowledged, try again with jitter."""


class Refused(Exception):
    """Something we asked said no, and would again: give up and say so."""
