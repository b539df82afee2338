"""Bytes to readings: any bytes are a value, acknowledgements come in order."""
