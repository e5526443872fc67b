"""What a detector shows at a scrape: the spread of every symbol, and the crosses that stand."""

from collections.abc import Iterable

from services.contracts.measures import detector as m
from services.contracts.metric import Reading, seconds_of_ms
from services.detector.spreads import every_spread
from services.detector.state import DetectorState


def readings(state: DetectorState, now_ns: int) -> Iterable[Reading]:
    """Return the figures of one group; a symbol without two books has no edge."""
    symbols, spreads = every_spread(state, now_ns)
    yield m.SYMBOLS.at(symbols)
    yield m.QUOTED.at(len(spreads))
    for spread in spreads:
        yield m.NET_EDGE.at(spread.net_edge_bps, spread.symbol)
        yield m.SPREAD_AGE.at(seconds_of_ms(spread.age_ms), spread.symbol)
    yield m.QUOTES_HANDLED.at(state.quotes)
    yield m.QUOTES_MISSED.at(state.quotes_skipped)
    yield m.CROSSES_OPEN.at(len(state.crosses))
    yield m.CROSSES_BEYOND.at(sum(cross.beyond_ceiling for cross in state.crosses.values()))
