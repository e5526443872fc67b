"""The stop count: what raises it, and which request still stands.

Each request that allows more names the count that its person was shown. Whatever stopped since then has
another count, so the request is refused with who stopped and why, and the person looks again. The count is
at least the Redis time of the stop in milliseconds: where Redis loses a stop with its number, the next one
gets another number and not the same again. A risk without stored state begins with a stop of its own, so
that no request of the past fits.
"""

from services.contracts.limits import CLOCK_SKEW_MS, NS_PER_MS
from services.contracts.messages.control import (
    RequestRefused,
    Stopped,
    StopRequested,
    TradingStateChanged,
)
from services.contracts.step import Outgoing
from services.contracts.terms import Symbol, TradingState
from services.market.dates import time_text
from services.risk.state import RiskState, Trading

LOOK_AGAIN = "look again with `arb status`"

_DONE = {
    TradingState.HALTED: "halted",
    TradingState.DISARMED: "disarmed",
    TradingState.REDUCE_ONLY: "asked for reduce only",
    TradingState.PAUSE_ENTRY: "paused entries",
    TradingState.ARMED: "asked for armed by a stop, which changes nothing",
}


def begun(state: RiskState) -> RiskState:
    """Return the state of a risk that has counted its own start; the same where it counted before."""
    if state.trading.stop_count:
        # Redis may have been replaced by one whose clock is behind.
        return state if state.began_ns <= state.now_ns else state.but(began_ns=state.now_ns)
    began_ns = state.now_ns - CLOCK_SKEW_MS * NS_PER_MS
    return with_stop(state.but(began_ns=began_ns), "risk", "no count of stops was stored", "started")


def with_stop(state: RiskState, by: str, reason: str, what: str) -> RiskState:
    """Return the state with one more stop counted, made at `state.now_ns`."""
    count = max(state.trading.stop_count + 1, state.now_ns // NS_PER_MS)
    stop = Stopped(by=by, reason=reason, what=what, at_ns=state.now_ns)
    trading = state.trading.model_copy(update={"stop_count": count, "last_stop": stop})
    counted: RiskState = state.but(trading=trading)
    return counted


def counted(state: RiskState, by: str, reason: str, target: TradingState) -> RiskState:
    """Return the state with a stop counted that goes to `target`."""
    return with_stop(state, by, reason, _DONE[target])


def taken(state: RiskState, request: StopRequested, stop_id: str) -> RiskState:
    """Return the state that has taken in a person's stop: risk's next word says which one it was."""
    state = counted(state, request.by, request.reason, request.target)
    trading = state.trading.model_copy(update={"stop_id": stop_id})
    known: RiskState = state.but(trading=trading)
    return known


def with_pause(state: RiskState, symbol: Symbol, by: str, why: str) -> RiskState:
    """Pause a symbol, which is a stop; a further reason stands beside the one that it is paused for."""
    before = state.paused.get(symbol, "")
    whole = f"{by}: {why}" if by != "risk" else why
    state = with_stop(state, by, why, f"paused {symbol}")
    if whole in before.split("; "):
        return state
    paused: RiskState = state.but(paused={**state.paused, symbol: f"{before}; {whole}" if before else whole})
    return paused


def overtaken(state: RiskState, shown: int) -> str:
    """Return why a request that was decided at count `shown` does not stand any more, empty if it does."""
    trading = state.trading
    if shown == trading.stop_count:
        return ""
    stop = trading.last_stop
    if shown < 0 or stop is None:
        return f"it does not say which stop its person had seen; {LOOK_AGAIN}"
    return f"{stop.by} {stop.what} at {time_text(stop.at_ns)}: {stop.reason}; {LOOK_AGAIN}"


def refused(request: object, by: str, problem: str) -> Outgoing:
    """Return the answer to a person whose request was not obeyed."""
    return Outgoing(RequestRefused(request=type(request).__name__, by=by, problem=problem))


def word_of(state: RiskState) -> Outgoing:
    """Return the word that tells people at once of a stop that left the state as it was."""
    return Outgoing(changed_message(state.trading))


def changed_message(trading: Trading) -> TradingStateChanged:
    """Return the word on the state in force."""
    return TradingStateChanged(
        state=trading.state, by=trading.by, reason=trading.reason, latches=trading.latched,
        stop_count=trading.stop_count, stop_id=trading.stop_id, last_stop=trading.last_stop,
    )  # fmt: skip
