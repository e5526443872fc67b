"""What a detector measures: spreads, crosses, intents. Whether the business exists at all."""

from services.contracts.metric import SYMBOL, VENUE, Label, Unit, counter, gauge, histogram
from services.contracts.terms import MovedLast

BUY_VENUE = Label("buy_venue", VENUE.values)
MOVED_LAST = Label("moved_last", tuple(MovedLast))

SYMBOLS = gauge("arb_watched_symbols", Unit.COUNT, "Enabled symbols of this detector's group.")
QUOTED = gauge("arb_quoted_symbols", Unit.COUNT, "Symbols of the group with a two-sided book on both venues.")
NET_EDGE = gauge(
    "arb_net_edge_bps", Unit.BPS,
    "Best net edge of a symbol now after all costs, in its better direction; negative where it would lose.",
    SYMBOL,
)  # fmt: skip
SPREAD_AGE = gauge(
    "arb_spread_age_seconds", Unit.SECONDS, "Age of the older of the two books behind that edge.", SYMBOL
)
QUOTES_HANDLED = counter("arb_quotes_handled_total", "Books looked at.", read=True)
QUOTES_MISSED = counter(
    "arb_quotes_missed_total", "Books that were published and never looked at, by their numbers.", read=True
)
CROSSES_TOO_YOUNG = counter(
    "arb_young_crosses_total",
    "Crosses that earned enough and ended before they had stood long enough, by the quote that moved last.",
    MOVED_LAST,
)
CROSS_AGE = histogram(
    "arb_intent_cross_age_seconds", Unit.SECONDS, (0.1, 0.2, 0.3, 0.4, 0.6, 1.0, 2.0, 5.0, 10.0, 30.0),
    "How long the cross had stood when its intent was spoken, by the quote that moved last.", MOVED_LAST,
)  # fmt: skip
CROSSES_OPEN = gauge("arb_open_crosses", Unit.COUNT, "Directions that would pay more than they cost now.")
CROSSES_BEYOND = gauge(
    "arb_anomalous_crosses", Unit.COUNT, "Crosses too good to be true: above the sanity ceiling."
)
CROSSES = counter("arb_crosses_total", "Crosses above cost that ended.", SYMBOL, BUY_VENUE)
CROSS_DURATION = histogram(
    "arb_cross_duration_seconds", Unit.SECONDS, (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0),
    "How long a cross above cost lasted, by the quote that moved last.", MOVED_LAST,
)  # fmt: skip
CROSS_PEAK = histogram(
    "arb_cross_peak_krw", Unit.KRW, (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000),
    "The most that a cross would have earned, at the size that was executable then.",
)  # fmt: skip
CROSS_SIZE = histogram(
    "arb_cross_peak_shares", Unit.SHARES, (1, 2, 5, 10, 20, 50, 100, 200, 500),
    "The size that was executable at a cross's best.",
)  # fmt: skip
INTENTS = counter("arb_intents_total", "Intents spoken.", SYMBOL)
