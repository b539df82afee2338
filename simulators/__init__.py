"""Stand-ins for what cannot be here: sensors from physics with known truth, devices that lose
nothing, load for benchmarks, and the emergency platform that checks what it is sent.
"""
