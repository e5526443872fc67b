"""What the executor shows at a scrape: pairs by phase, what is uncovered, what is stranded or in doubt."""

from collections.abc import Iterable

from services.contracts.measures import executor as m
from services.contracts.metric import Reading, seconds, seconds_of_ms
from services.executor.phases import PairPhase
from services.executor.state import ExecutorState

OPEN_PHASES = tuple(phase for phase in PairPhase if phase is not PairPhase.CLOSED)


def readings(state: ExecutorState, now_ns: int) -> Iterable[Reading]:
    """Return the figures of all open and stranded pairs."""
    pairs = tuple(state.pairs.values())
    stranded = [pair for pair in pairs if pair.phase is PairPhase.STRANDED]
    worked = [pair for pair in pairs if pair.phase is not PairPhase.STRANDED]
    for phase in OPEN_PHASES:
        yield m.PAIRS.at(sum(pair.phase is phase for pair in pairs), phase)
    yield m.OLDEST_PAIR.at(max((seconds(now_ns - pair.opened_at_ns) for pair in worked), default=0))
    yield m.UNCOVERED_KRW.at(sum(pair.uncovered_krw for pair in pairs))
    yield m.UNCOVERED_SHARES.at(sum(max(0, pair.uncovered_shares) for pair in pairs))
    ages_ms = [pair.exposure.age_ms(now_ns) for pair in worked]
    yield m.UNCOVERED_AGE.at(seconds_of_ms(max(ages_ms, default=0)))
    yield m.STRANDED.at(len(stranded))
    yield m.STRANDED_KRW.at(sum(pair.uncovered_krw for pair in stranded))
    yield m.DOUBTFUL.at(sum(order.life.doubtful for pair in pairs for order in pair.orders))
