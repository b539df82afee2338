"""The shared vocabulary of the pipeline and the command ``lifeline``.

Every stage speaks in these words; none of them imports another stage.
"""
