"""The world's failures, with one bit: try again, or give up and say so."""


class Unavailable(Exception):
    """Something we need does not answer: keep the input unacknowledged, try again with jitter."""


class Busy(Unavailable):
    """It answers, and asks us to come later: not before the longest wait is over."""


class Refused(Exception):
    """Something we asked said no, and would again: give up and say so."""


class Mendable(Refused):
    """It said no for a reason that somebody may be mending, a key or a path: worth more tries."""
