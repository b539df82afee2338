"""Load: a benchmark city of any size, its messages built ahead as bytes, and the raw sockets that
send them at rates that a client library cannot reach on a fraction of one core.
"""
