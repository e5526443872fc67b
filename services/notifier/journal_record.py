"""What the journal says of one date: orders, pairs, intents, quotes, reference data, persons' words, builds.

`read_date` reads it, with what its pairs began with on dates before. Nothing is judged here.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.contracts.envelope import Unreadable
from services.contracts.in_force import Reference
from services.contracts.messages.commands import AmendOrder, PlaceOrder
from services.contracts.messages.control import (
    ReferencePublished,
    ResidualClaimed,
    SymbolPauseRequested,
    SymbolResumed,
)
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.orders import (
    CommandDenied,
    ForeignOrderSeen,
    OrderClosed,
    OrderFacts,
    OrderRejected,
    OrderResolved,
    Resolution,
)
from services.contracts.messages.pairs import PairApproved, PairClosed, ResidualMarked
from services.contracts.messages.status import Heartbeat
from services.contracts.streams import COMMANDS, CONTROL, INTENTS, ORDERS, PAIRS, STATUS, TICKS, Stream
from services.contracts.terms import TradingDate
from services.notifier.journal_folder import dates_in, parts_in
from services.notifier.journal_line import JournalLine, LineUnreadable, read_line
from services.notifier.journal_reader import read_lines

_STREAMS: Final = (PAIRS, INTENTS, COMMANDS, ORDERS, CONTROL)
_ENDS: Final = (OrderClosed, OrderRejected)
_ID: Final = re.compile(rb'"id":"([^"]{1,80})"')
_IDS_WITHIN: Final = 600
"""A line names its entry and its message at its beginning."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the record does not explain. `about` is an order, a pair, or a stream."""

    about: str
    problem: str


@dataclass(frozen=True, slots=True)
class Build:
    """The build of one process of a service, and when it started (Redis time)."""

    service: str
    started_at_ns: int
    build_id: str


@dataclass(slots=True)
class Order:
    """All that the record says of one order."""

    order_id: str
    command: PlaceOrder | None = None
    commanded: tuple[str, int] = ("", 0)
    facts: OrderFacts | None = None
    told: tuple[str, int] = ("", 0)
    broker_numbers: set[str] = field(default_factory=set)
    denied: CommandDenied | None = None
    end: str = ""
    amended: bool = False

    @property
    def pair_id(self) -> str:
        said = self.command or self.facts or self.denied
        return "" if said is None else said.pair_id

    @property
    def first_ns(self) -> int:
        return self.commanded[1] or self.told[1]


@dataclass(slots=True)
class Record:
    """What the lines of one date say, and with what its pairs began on dates before."""

    trading_date: TradingDate
    orders: dict[str, Order] = field(default_factory=dict)
    approvals: dict[str, PairApproved] = field(default_factory=dict)
    intents: dict[str, TradeIntent] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    closes: dict[str, PairClosed] = field(default_factory=dict)
    stranded: set[str] = field(default_factory=set)
    carried: set[str] = field(default_factory=set)
    """Pairs that were approved on an earlier date: their money is not all of this one."""
    facts_before: dict[str, OrderFacts] = field(default_factory=dict)
    """What became of the orders that its pairs had on dates before."""
    claims: dict[str, list[ResidualClaimed]] = field(default_factory=dict)
    quotes: dict[str, QuoteUpdated] = field(default_factory=dict)
    """Of the quotes that intents name by their message's id: those on record."""
    by_hand: dict[str, tuple[int, ForeignOrderSeen]] = field(default_factory=dict)
    words: list[tuple[int, str]] = field(default_factory=list)
    """When a person said something of a symbol, and of which."""
    builds: set[Build] = field(default_factory=set)
    holes: list[Finding] = field(default_factory=list)
    ends_ns: int = 0

    def take(self, line: JournalLine, stream: Stream) -> None:
        """Take in one line; a hole or what was no message is a finding of its own."""
        if line.gap is not None:
            lost = f"entries after {line.gap.from_id} and before {line.gap.to_id} are not on record"
            self.holes.append(Finding(stream.name, lost))
            return
        try:
            envelope = line.envelope
        except Unreadable as error:
            self.holes.append(Finding(stream.name, f"entry {line.entry_id} cannot be read: {error}"))
            return
        at_ns, message = envelope.ts_init_ns, envelope.body
        self.ends_ns = max(self.ends_ns, at_ns)
        facts = getattr(message, "facts", None)
        if isinstance(facts, OrderFacts):
            self._take_facts(facts, message, (envelope.source, at_ns))
        match message:
            case PlaceOrder():
                order = self._order(message.order_id)
                if order.command is None:
                    order.command, order.commanded = message, (envelope.source, at_ns)
            case AmendOrder():
                self._order(message.target_order_id).amended = True
            case CommandDenied() if not message.target_order_id:
                order = self._order(message.order_id)
                order.told = order.told if order.told[0] else (envelope.source, at_ns)
                order.denied, order.end = message, order.end or f"denied: {message.reason}"
            case PairApproved():
                self.approvals[message.pair_id] = message
            case TradeIntent():
                self.intents[message.intent_id] = message
            case PairClosed():
                known = self.closes.get(message.pair_id)
                if known is None or message.closings >= known.closings:
                    self.closes[message.pair_id] = message
            case ResidualMarked():
                self.stranded.add(message.pair_id)
            case ReferencePublished():
                self.references[message.reference_hash] = message.reference
            case ForeignOrderSeen() if message.trading_date == self.trading_date:
                first_ns, _ = self.by_hand.get(message.broker_order_no, (at_ns, message))
                self.by_hand[message.broker_order_no] = (first_ns, message)
            case SymbolResumed() | SymbolPauseRequested(paused=False):
                self.words.append((at_ns, message.symbol))
            case ResidualClaimed():
                self.claims.setdefault(message.pair_id, []).append(message)
                if message.pair_id in self.approvals:
                    self.words.append((at_ns, self.approvals[message.pair_id].symbol))

    def keep_before(self, facts: OrderFacts) -> None:
        """Keep what became of an order of another date."""
        known = self.facts_before.get(facts.order_id)
        if known is None or _figures(facts) >= _figures(known):
            self.facts_before[facts.order_id] = facts

    def facts_of(self, pair_id: str) -> list[OrderFacts]:
        """Return what became of every order of a pair, on whatever date."""
        found = {key: facts for key, facts in self.facts_before.items() if facts.pair_id == pair_id}
        today = [order for order in self.orders.values() if order.pair_id == pair_id and order.facts]
        return list({**found, **{order.order_id: order.facts for order in today if order.facts}}.values())

    def pairs(self) -> list[str]:
        """Return the pairs that had an order on this date, or were closed on it."""
        return sorted({order.pair_id for order in self.orders.values()} - {""} | self.closes.keys())

    def _order(self, order_id: str) -> Order:
        return self.orders.setdefault(order_id, Order(order_id))

    def _take_facts(self, facts: OrderFacts, message: object, told: tuple[str, int]) -> None:
        """Facts of another date belong to that date's record, and to the money of their pair."""
        if facts.trading_date != self.trading_date:
            self.keep_before(facts)
            return
        order = self._order(facts.order_id)
        order.told = order.told if order.told[0] else told
        if facts.broker_order_no:
            order.broker_numbers.add(facts.broker_order_no)
        known = order.facts
        if known is None or _figures(facts) >= _figures(known):
            order.facts = facts
        if isinstance(message, _ENDS) or facts.closed:
            order.end = "rejected" if isinstance(message, OrderRejected) else order.end or "closed"
        elif isinstance(message, OrderResolved) and message.resolution is Resolution.NEVER_ARRIVED:
            order.end = "never arrived"
        elif isinstance(message, OrderResolved) and message.reopens:
            order.end = ""


def _figures(facts: OrderFacts) -> tuple[int, int]:
    """How far an order had come, and what it had cost by then."""
    return facts.cum_qty_shares, facts.commission_krw + facts.tax_krw


def read_date(root: Path, date: TradingDate) -> Record:
    """Return the record of one date of a journal, and what its pairs began with on dates before.

    Raises:
        LineUnreadable: a line in the middle of a file is damaged; says which.
    """
    record = Record(date)
    for stream in _STREAMS:
        for line in read_lines(root / date, stream):
            record.take(line, stream)
    record.builds = set(_builds(read_lines(root / date, STATUS)))
    record.quotes = _quotes(root / date, _named(record, record.approvals.values()))
    for earlier in reversed([other for other in dates_in(root) if other < date]):
        wanted = set(record.pairs()) - record.approvals.keys()
        hashes = {pair.reference_hash for pair in record.approvals.values()} - record.references.keys()
        if not wanted and not hashes:
            break
        _fill_in(record, Record(earlier), root / earlier, wanted)
    return record


def _fill_in(record: Record, before: Record, folder: Path, wanted: set[str]) -> None:
    for stream in (PAIRS, INTENTS, CONTROL, *([ORDERS] if wanted else [])):
        for line in read_lines(folder, stream):
            before.take(line, stream)
    found = {pair_id: pair for pair_id, pair in before.approvals.items() if pair_id in wanted}
    record.approvals.update(found)
    record.carried |= found.keys()
    record.references.update(before.references)
    for pair_id in wanted:
        for facts in before.facts_of(pair_id):
            record.keep_before(facts)
        record.claims.setdefault(pair_id, []).extend(before.claims.get(pair_id, ()))
    for pair in found.values():
        if pair.intent_id in before.intents:
            record.intents[pair.intent_id] = before.intents[pair.intent_id]
    record.quotes.update(_quotes(folder, _named(record, found.values())))


def _named(record: Record, approvals: Iterable[PairApproved]) -> set[str]:
    """The ids of the quotes that the intents of some pairs name."""
    intents = (record.intents.get(pair.intent_id) for pair in approvals)
    return {seen.message_id for intent in intents if intent for seen in (intent.quote_a, intent.quote_b)}


def _quotes(folder: Path, wanted: set[str]) -> dict[str, QuoteUpdated]:
    """Return those of the `wanted` quotes that are on record; of the others only the ids are looked at."""
    found: dict[str, QuoteUpdated] = {}
    parts = parts_in(folder) if wanted else []
    for part in parts:
        if part.stem.startswith(f"{TICKS.name}-"):
            with part.path.open("rb") as file:
                for line in file:
                    ids = {name.decode(errors="replace") for name in _ID.findall(line[:_IDS_WITHIN])}
                    if ids & wanted and line.endswith(b"\n"):
                        found.update(_quote_in(line))
    return found


def _quote_in(line: bytes) -> Iterator[tuple[str, QuoteUpdated]]:
    try:
        envelope = read_line(line[:-1]).envelope
    except (LineUnreadable, Unreadable):
        return
    if isinstance(envelope.body, QuoteUpdated):
        yield envelope.id, envelope.body


def _builds(lines: Iterable[JournalLine]) -> Iterator[Build]:
    """Each process that a heartbeat names; undecoded, because there are many."""
    for line in lines:
        if line.body is not None and line.body.get("type") == Heartbeat.__name__:
            beat = line.body.get("body") or {}
            yield Build(
                str(beat.get("service", "")), int(beat.get("started_at_ns", 0)), str(beat.get("build_id", ""))
            )
