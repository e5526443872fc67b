"""The executor's core: what was heard is taken in, then each pair that it touches moves on.

Decisions are made from state, not from the event that happened to come: the same `advance` runs after
a fill, a quote, a tick and a restart, so that a pair goes on from any point at which a crash left it.
After a start nothing is decided before the first tick: what was said meanwhile is taken in first.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from services.contracts.envelope import Message
from services.contracts.limits import HEARTBEAT_MS, NS_PER_MS
from services.contracts.messages import control, orders, status, venue_state
from services.contracts.messages.commands import CancelOrder, PlaceOrder
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.pairs import ClipCompleted, PairApproved, PairClosed, StrandReason
from services.contracts.step import Event, Outgoing, Step, Tick
from services.executor import clip, failing, flatten, hearing, notices, requests, stranded
from services.executor.certain import doubt, untold
from services.executor.deadlines import overdue
from services.executor.hearing import Heard
from services.executor.move import Move
from services.executor.pair import Pair
from services.executor.phases import PairPhase
from services.executor.state import ExecutorState
from services.executor.status import status_of
from services.executor.view import View

MOST_MOVES: Final = 12
"""More moves than any pair makes at one event; what is left is done at the next."""

_STEPS: Final[Mapping[PairPhase, Callable[[Pair, View], Move | None]]] = MappingProxyType({
    PairPhase.READY: clip.ready,
    PairPhase.BUYING: clip.buying,
    PairPhase.SELLING: clip.selling,
    PairPhase.FLATTENING: flatten.flattening,
    PairPhase.STRANDED: stranded.stranded,
    PairPhase.CLOSED: lambda pair, view: None,
})  # fmt: skip

_HEARERS: Final[Mapping[type[Message], hearing.Hearer]] = MappingProxyType({
    QuoteUpdated: hearing.quote,
    PairApproved: hearing.approved,
    orders.OrderSent: hearing.order,
    orders.OrderAccepted: hearing.order,
    orders.OrderFilled: hearing.order,
    orders.OrderClosed: hearing.order,
    orders.OrderRejected: hearing.order,
    orders.OrderUnknown: hearing.order,
    orders.OrderResolved: hearing.order,
    orders.CancelRejected: hearing.order,
    orders.CommandDenied: hearing.denied,
    orders.ForeignOrderSeen: hearing.foreign,
    orders.AccountReported: hearing.account,
    control.StopRequested: hearing.stop_requested,
    control.TradingStateChanged: hearing.state_changed,
    status.KeysVanished: hearing.rolled_back,
    control.ReferencePublished: hearing.reference,
    control.FlattenRequested: requests.flatten_requested,
    control.RequestWithdrawn: requests.withdrawn,
    control.ResidualClaimed: requests.claimed,
    control.SymbolPauseRequested: requests.pause_requested,
    control.SymbolResumed: requests.resumed,
    venue_state.SessionPhaseChanged: hearing.venue,
    venue_state.EntryWindowChanged: hearing.window,
    venue_state.SymbolHaltChanged: hearing.venue,
    venue_state.DayFactsPublished: hearing.venue,
    venue_state.ConnectionChanged: hearing.venue,
    venue_state.FeedLivenessChanged: hearing.venue,
    EntryBuried: hearing.buried,
})  # fmt: skip


def decide(state: ExecutorState, event: Event) -> Step[ExecutorState]:
    """Return what the executor knows and says after an event."""
    state = _begun(state, event.now_ns)
    if isinstance(event, Tick):
        heard = _ticked(_told_behind(state, event.behind), event.now_ns)
    else:
        hearer = _HEARERS.get(type(event.message))
        if hearer is None:
            return Step(state)
        heard = hearer(state, event)
    return _advanced(heard, event.now_ns)


def _told_behind(state: ExecutorState, behind: bool) -> ExecutorState:
    told: ExecutorState = state if state.behind is behind else state.but(behind=behind)
    return told


def _begun(state: ExecutorState, now_ns: int) -> ExecutorState:
    word = state.trading.begun(now_ns)
    begun: ExecutorState = state if word is state.trading else state.but(trading=word)
    return begun


def _advanced(heard: Heard, now_ns: int) -> Step[ExecutorState]:
    state, said = heard.state, list(heard.said)
    for pair_id in heard.touched if state.caught_up else ():
        before = state.pairs[pair_id]
        pair, out = _advanced_alone(before, state.view(before.symbol, now_ns))
        said += out
        if pair.phase is PairPhase.CLOSED:
            state = state.without_pair(pair)
        elif pair is not before:
            state = state.with_pair(pair)
    return Step(_tallied(state, said), tuple(_outgoing(message, state) for message in said))


def _advanced_alone(pair: Pair, view: View) -> tuple[Pair, tuple[Message, ...]]:
    """Move one pair on; a failure at it is named and stops this pair alone, never the others."""
    try:
        return advance(pair, view)
    except Exception as error:
        return failing.stranded(pair, view, error)


def advance(pair: Pair, view: View) -> tuple[Pair, tuple[Message, ...]]:
    """Move a pair on until there is nothing more to do now; returns it with all that it says."""
    said: tuple[Message, ...] = ()
    pair = pair.measured(view.now_ns)
    for _ in range(MOST_MOVES):
        move = overdue(pair, view) or _uncertain(pair, view)
        if move is not None and view.behind:
            break  # what is not read yet may answer it
        move = move or _STEPS[pair.phase](pair, view)
        if move is None:
            break
        pair, said = move.pair.measured(view.now_ns), said + move.out
    return pair, said


def _uncertain(pair: Pair, view: View) -> Move | None:
    """What a pair holds must be certain before anything else is decided."""
    if pair.phase in (PairPhase.STRANDED, PairPhase.CLOSED):
        return None
    why = doubt(pair, view)
    if not why or not (pair.ambiguous or pair.claimed_by or not untold(pair, view)):
        return None
    return stranded.strand(pair, view, StrandReason.AMBIGUOUS, why)


def _ticked(state: ExecutorState, now_ns: int) -> Heard:
    said: list[Message] = []
    if not state.caught_up and not state.behind:
        named = [pair for pair in state.pairs.values() if pair.phase is PairPhase.STRANDED]
        said += [notices.stranded(pair, now_ns) for pair in named]
        word = state.trading.by_clock(now_ns)
        state = state.but(caught_up=True, started_ns=now_ns, trading=word)
    if now_ns - state.status_ns >= HEARTBEAT_MS * NS_PER_MS:
        state = state.but(status_ns=now_ns)
        said.append(status_of(state, now_ns))
    return Heard(state, tuple(state.pairs), tuple(said))


def _tallied(state: ExecutorState, said: Iterable[Message]) -> ExecutorState:
    tally = state.tally
    if tally.trading_date != state.venues.trading_date:
        tally = type(tally)(trading_date=state.venues.trading_date)
    for message in said:
        if isinstance(message, ClipCompleted):
            tally = tally.after_clip(message)
        elif isinstance(message, PairClosed):
            tally = tally.after_pair(message)
    changed: ExecutorState = state if tally is state.tally else state.but(tally=tally)
    return changed


def _outgoing(message: Message, state: ExecutorState) -> Outgoing:
    to_gateway = isinstance(message, PlaceOrder | CancelOrder)
    return Outgoing(
        message,
        correlation_id=getattr(message, "pair_id", ""),
        name=state.settings.gateway if to_gateway else "",
    )
