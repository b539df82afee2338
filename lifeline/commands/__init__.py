"""The sub-commands of ``lifeline``, one file a group; together with ``__main__`` the outermost shell.

They read the world, call a stage, print, and return an exit status.
"""
