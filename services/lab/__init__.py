"""What a day is judged by: one record of what happened, and invariants over it.

record.py      what happened: messages, sends, the broker's books, crosses that stood
rules.py       what the sources say of costs, ticks, limits and hours, by hand
invariants/    each a pure function from a record to its breaches
"""
