"""The ways a notice leaves the house, one file each; each may talk to its vendor and nothing else.

A channel reports *delivered* only on the receiver's own success code.
"""
