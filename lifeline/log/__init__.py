"""Kafka, the log between the stages: its clients made in one place, each wait with a limit.

Faust gives detect and archive their loop and their group; what must be exact is done here.
"""
