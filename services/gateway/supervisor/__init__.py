"""The process that keeps the gateway alive, and stops trading before it touches it.

`core.decide(state, look)` is asked a few times a second with all that can be seen from outside: the
process, its pulse, its memory, its windows, the HALT file, the hour. What it wants done comes back as
effects. It needs neither Redis nor Qt.
"""
