"""The figures of a day, added up from the messages themselves.

Pure: give it every envelope of the streams once or more (readers drop what they have seen, by id),
then ask for `figures()`. Profit is what the executor booked when it closed each pair; whether it is
true is for the account's own books to say (`report.py`).
"""

from collections import Counter
from typing import Final

from services.contracts.day_words import is_clip, is_fill, order_id_told
from services.contracts.envelope import Envelope
from services.contracts.messages.control import LatchSet, TradingStateChanged
from services.contracts.messages.intents import CrossEnded, TradeIntent
from services.contracts.messages.orders import (
    CommandDenied,
    OrderFilled,
    OrderRejected,
    OrderUnknown,
)
from services.contracts.messages.pairs import (
    ClipCompleted,
    PairApproved,
    PairClosed,
    PairDenied,
    ResidualMarked,
    ResidualOpened,
)
from services.contracts.messages.venue_state import SessionPhaseChanged
from services.contracts.streams import CONTROL, DEAD, INTENTS, ORDERS, PAIRS, STOPS, VENUE, key_of
from services.contracts.terms import Side
from services.simulator.promptness import Promptness

FIGURE_KEYS: Final = tuple(key_of(stream) for stream in (STOPS, CONTROL, VENUE, INTENTS, PAIRS, ORDERS, DEAD))


class DayFigures:
    """What a day's messages add up to. `take` is idempotent by envelope id."""

    def __init__(self) -> None:
        self.said: dict[str, Envelope] = {}
        self.intents = 0
        self.crosses = 0
        self.cross_ms_max = 0
        self.approved: dict[str, PairApproved] = {}
        self.closed: dict[str, PairClosed] = {}
        self.stranded: dict[str, ResidualMarked] = {}
        self.denials: Counter[str] = Counter()
        self.gate_denials: Counter[str] = Counter()
        self.clips = 0
        self.residuals = 0
        self.fills = 0
        self.orders_rejected = 0
        self.orders_unknown = 0
        self.orders: set[str] = set()
        self.position: Counter[str] = Counter()
        self.phases: set[str] = set()
        self.states: list[str] = []
        self.troubles: list[str] = []
        self.promptness = Promptness()

    def take(self, envelope: Envelope) -> None:
        """Add one message, unless it was added before."""
        if envelope.id in self.said:
            return
        self.said[envelope.id] = envelope
        self.promptness.take(envelope.body)
        match envelope.body:
            case TradeIntent():
                self.intents += 1
            case CrossEnded() as cross:
                self.crosses += 1
                self.cross_ms_max = max(self.cross_ms_max, cross.duration_ms)
            case PairDenied() as denied:
                self.denials[denied.reason] += 1
            case PairApproved() as approved:
                self.approved[approved.pair_id] = approved
            case PairClosed() as closed:
                self._close(closed)
            case ClipCompleted() as done:
                self.clips += is_clip(done)
            case ResidualOpened():
                self.residuals += 1
            case ResidualMarked() as marked:
                self.stranded[marked.pair_id] = marked
            case SessionPhaseChanged() as changed:
                self.phases.add(f"{changed.venue}:{changed.phase}")
            case _:
                self._take_order(envelope)
                self._take_trouble(envelope)

    @property
    def open_pairs(self) -> frozenset[str]:
        """Pairs approved and not closed."""
        return frozenset(self.approved.keys() - self.closed.keys())

    @property
    def realised_pnl_krw(self) -> int:
        return sum(pair.realised_pnl_krw for pair in self.closed.values())

    @property
    def net_position_shares(self) -> int:
        """Shares bought and not sold, over all symbols, long or short."""
        return sum(abs(shares) for shares in self.position.values())

    def _close(self, pair: PairClosed) -> None:
        self.closed[pair.pair_id] = pair
        self.stranded.pop(pair.pair_id, None)

    def _take_order(self, envelope: Envelope) -> None:
        if order_id := order_id_told(envelope.body):
            self.orders.add(order_id)
        match envelope.body:
            case OrderFilled() as fill:
                self.fills += is_fill(fill)
                sign = 1 if fill.facts.side is Side.BUY else -1
                self.position[fill.facts.symbol] += sign * fill.last_qty_shares
            case OrderRejected():
                self.orders_rejected += 1
            case OrderUnknown():
                self.orders_unknown += 1
            case CommandDenied() as denied:
                self.gate_denials[denied.reason] += 1

    def _take_trouble(self, envelope: Envelope) -> None:
        match envelope.body:
            case TradingStateChanged() as changed:
                self.states.append(changed.state)
            case LatchSet() as latch:
                self.troubles.append(f"latch {latch.latch}: {latch.detail}")
