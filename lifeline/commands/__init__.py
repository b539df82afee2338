"""The sub-commands of ``lifeline``, one file a group: with ``__main__`` the outermost shell.

They read the world, call a stage, print, and return an exit status.
"""
