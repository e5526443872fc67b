"""A whole trading day in one thread, under virtual time, from one seed.

The same pure cores that the services run, the same simulated world that the demo trades in, and a
bus that delays, doubles, forgets and crashes. What happened is decided by the seed alone.
"""
