"""Every fixed limit, in one place, with the relations between them asserted at import.

What a desk tunes is in `TradingLimits` (published by risk); what stands here cannot be
changed at run time, and bounds those.
"""

from typing import Final

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

# The broker (Kiwoom sheet 5.1): 5 orders and 5 queries in any sliding second, counted apart.
BROKER_ORDERS_PER_SECOND: Final = 5
BROKER_QUERIES_PER_SECOND: Final = 5
LIMITER_WINDOW_NS: Final = 1_100 * NS_PER_MS
"""We count over 1.1 s: the broker counts arrivals, and ours may bunch by some 10 ms on the way."""
QUERY_LADDER: Final = ((5, LIMITER_WINDOW_NS), (50, 180 * NS_PER_S), (1_000, 3_600 * NS_PER_S))
"""Sustained query guard as (count, window): community figures, Kiwoom sheet 5.1."""
QUERIES_KEPT_FOR_EXITS: Final = 12
"""Query tokens for what exits wait for alone: unknown orders, and the comparison after a login."""

# Real-time registration (Kiwoom sheet 5.2).
CODES_PER_SCREEN: Final = 100
FIDS_PER_REGISTRATION: Final = 100
SCREENS: Final = 200

# Ages. All in Redis time.
INTENT_TTL_MS: Final = 800
APPROVAL_TTL_MS: Final = 1_500
COMMAND_TTL_MS: Final = 1_500
ENTRY_WAIT_MS: Final = 200
"""An entry that cannot leave within this of its arrival at the gateway is denied: the cross that it was meant
for is passing, and what is sent late is bought late and sold at a loss (design, 5)."""
CLOCK_SKEW_MS: Final = 250
"""A message stamped this much in the future means that clocks disagree."""

# The trading lease (design, 6).
LEASE_MS: Final = 2_000
LEASE_RENEW_MS: Final = 400
LEASE_CANCEL_AFTER_MS: Final = 3_000
"""Lapsed for longer than this, the gateway cancels its open entry orders itself."""
LEASE_DOUBT_MS: Final = 10_000
"""A newer epoch that renewed nothing for so long, while an older one did, is nobody's: as long as a fenced
instance waits for the one that took over."""

# Hard ceilings of one order and one day, above whatever TradingLimits say.
HARD_CLIP_SHARES: Final = 50
HARD_ORDER_KRW: Final = 50_000_000
HARD_EXIT_KRW: Final = HARD_ORDER_KRW * 130 // 100
"""A share bought at the ceiling may rise by the day's limit and must still be sold."""
HARD_TRIPS_PER_SYMBOL: Final = 20
HARD_OPEN_PAIRS: Final = 4
HARD_FLATTEN_ATTEMPTS: Final = 12
HARD_STRANDED_ATTEMPTS: Final = 6
"""Of one session; what is left after them only a person tries."""
HARD_ORDERS_PER_DAY: Final = 20_000

# Reading and keeping.
READ_COUNT: Final = 256
READ_BLOCK_MS: Final = 100
TICK_MS: Final = 100
"""Every core gets a Tick at least this often."""
BEHIND_MS: Final = 500
"""An unread entry older than this may say what a time-out would guess at."""
HEARTBEAT_MS: Final = 1_000
JOURNAL_LAG_MS: Final = 15_000
"""Behind by more than this, the journal might miss what is done now: entries wait."""
CLOCK_DOUBTS: Final = 3
"""So many heartbeats in a row with an untrusted clock are no passing delay."""
TICKS_KEPT: Final = 20_000
STATUS_KEPT: Final = 2_000
DEAD_KEPT: Final = 5_000
BURIED_TEXT_BYTES: Final = 4_096
"""So much of an entry that cannot be read is kept with the reason: the dead stream stays below 30 MB."""
LEASE_KEPT: Final = 100
LOSSLESS_ALARM: Final = 50_000
"""A stream that must lose nothing is alarming at this length, and entries pause at twice it."""
LIMIT_PROPOSAL_MS: Final = 600_000
"""A loosened limit that nobody confirmed for so long is off the table."""

assert LIMITER_WINDOW_NS > NS_PER_S
assert LEASE_RENEW_MS * 3 < LEASE_MS < LEASE_CANCEL_AFTER_MS < LEASE_DOUBT_MS
assert INTENT_TTL_MS <= APPROVAL_TTL_MS
assert ENTRY_WAIT_MS < COMMAND_TTL_MS and ENTRY_WAIT_MS * NS_PER_MS < LIMITER_WINDOW_NS
assert TICK_MS * 2 < LEASE_RENEW_MS
assert HARD_OPEN_PAIRS < BROKER_ORDERS_PER_SECOND
