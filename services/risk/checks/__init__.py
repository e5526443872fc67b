"""The verdict's checks, one small pure function each, in one fixed order.

A check looks at a `Case` and returns what decided, as `key=value` pairs, or None. The order goes from
what costs nothing and says most (was it already answered, may anything trade) over the symbol and the
quotes to money; the first that denies gives the reason. Everything unknown denies.
"""
