"""``lifeline whatif``: stored readings once with today's rules, once with a new profile.

Both run through partition and engine, as ``lifeline replay`` does: what is compared are incidents.
"""


def whatif() -> None:
    """List the incidents that a new profile would gain, lose, find earlier or later."""
