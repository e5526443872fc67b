"""The `arb` command: how people start, watch, arm and stop the system.

It decides nothing about money. What it changes, it asks for on the control stream, with a name and
a reason, and then says what the owners of the state visibly answered, or that nobody did.
"""
