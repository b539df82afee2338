"""The duty officer's web console: server-rendered pages and the HTTP API over the same actions.

GET never changes anything; every action names its actor and is audited.
"""
