"""The broker's side of ingest: the one connection that carries MQTT (a shell).

Home of the only code here that knows the MQTT client.
"""
