"""Is every order of a day explained? The completeness check of the record (RTS 6 art. 12(3)).

The chain shows that no line was changed; this shows that nothing is missing between the lines: each order
was commanded for a pair that risk approved, from an intent that names its two quotes, under reference data
that is on record, by a build that is known, and its end is told; each fill is in the close of its pair; each
order that is not ours was named by a person. `audit` is pure; `read_date` reads what it needs.

An order names its build through the process that made it: the newest one of that service which had
started by then, as the heartbeats in the record say.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.contracts.envelope import Unreadable
from services.contracts.ids import order_id_of
from services.contracts.in_force import Reference
from services.contracts.limits import NS_PER_S
from services.contracts.messages.commands import AmendOrder, PlaceOrder
from services.contracts.messages.control import (
    ReferencePublished,
    ResidualClaimed,
    SymbolPauseRequested,
    SymbolResumed,
)
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.orders import (
    CommandDenied,
    ForeignOrderSeen,
    OrderClosed,
    OrderFacts,
    OrderRejected,
    OrderResolved,
    Resolution,
)
from services.contracts.messages.pairs import PairApproved, PairClosed, PairOutcome, ResidualMarked
from services.contracts.messages.status import Heartbeat
from services.contracts.streams import COMMANDS, CONTROL, INTENTS, ORDERS, PAIRS, STATUS, Stream
from services.contracts.terms import Side, TradingDate
from services.notifier.journal_folder import dates_in
from services.notifier.journal_line import JournalLine
from services.notifier.journal_reader import read_lines

UNDER_WAY_NS: Final = 60 * NS_PER_S
"""What began so shortly before the record's end may still be going on: its end is not asked for."""
_STREAMS: Final = (PAIRS, INTENTS, COMMANDS, ORDERS, CONTROL)
_ENDS: Final = (OrderClosed, OrderRejected)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the record does not explain. `about` is an order, a pair, or a stream."""

    about: str
    problem: str


@dataclass(frozen=True, slots=True)
class OrderRow:
    """Where one order comes from and how it ended; what is not on record is empty."""

    order_id: str
    pair_id: str
    intent_id: str
    reference_hash: str
    commanded_by: str
    """The build that gave the command."""
    told_by: str
    """The build of the gateway that first told of it."""
    broker_order_no: str
    filled_shares: int
    end: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at, and what is not explained; nothing where every order is."""

    trading_date: TradingDate
    orders: tuple[OrderRow, ...]
    pairs: int
    by_hand: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """The build of one process of a service, and when it started (Redis time)."""

    service: str
    started_at_ns: int
    build_id: str


@dataclass(slots=True)
class _Order:
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
    orders: dict[str, _Order] = field(default_factory=dict)
    approvals: dict[str, PairApproved] = field(default_factory=dict)
    intents: dict[str, TradeIntent] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    closes: dict[str, PairClosed] = field(default_factory=dict)
    stranded: set[str] = field(default_factory=set)
    carried: set[str] = field(default_factory=set)
    """Pairs that were approved on an earlier date: their money is not all of this one."""
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
            case ResidualClaimed() if message.pair_id in self.approvals:
                self.words.append((at_ns, self.approvals[message.pair_id].symbol))

    def _order(self, order_id: str) -> _Order:
        return self.orders.setdefault(order_id, _Order(order_id))

    def _take_facts(self, facts: OrderFacts, message: object, told: tuple[str, int]) -> None:
        """Facts of another date belong to that date's record."""
        if facts.trading_date != self.trading_date:
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
    for earlier in reversed([other for other in dates_in(root) if other < date]):
        wanted = {order.pair_id for order in record.orders.values()} - {""} - record.approvals.keys()
        hashes = {pair.reference_hash for pair in record.approvals.values()} - record.references.keys()
        if not wanted and not hashes:
            break
        _fill_in(record, Record(earlier), root / earlier, wanted)
    return record


def _fill_in(record: Record, before: Record, folder: Path, wanted: set[str]) -> None:
    for stream in (PAIRS, INTENTS, CONTROL):
        for line in read_lines(folder, stream):
            before.take(line, stream)
    found = {pair_id: pair for pair_id, pair in before.approvals.items() if pair_id in wanted}
    record.approvals.update(found)
    record.carried |= found.keys()
    record.references.update(before.references)
    for pair in found.values():
        if pair.intent_id in before.intents:
            record.intents[pair.intent_id] = before.intents[pair.intent_id]


def _builds(lines: Iterable[JournalLine]) -> Iterator[Build]:
    """Each process that a heartbeat names; undecoded, because there are many."""
    for line in lines:
        if line.body is not None and line.body.get("type") == Heartbeat.__name__:
            beat = line.body.get("body") or {}
            yield Build(
                str(beat.get("service", "")), int(beat.get("started_at_ns", 0)), str(beat.get("build_id", ""))
            )


def audit(record: Record) -> Audit:
    """Return every order of the date with where it comes from, and all that is not explained."""
    builds = _by_service(record.builds)
    orders = sorted(record.orders.values(), key=lambda order: (order.first_ns, order.order_id))
    findings = list(record.holes)
    for order in orders:
        findings += [Finding(order.order_id, problem) for problem in _problems_of(record, builds, order)]
    findings += _shared_numbers(orders)
    for pair_id in sorted({order.pair_id for order in orders} - {""}):
        own = [order for order in orders if order.pair_id == pair_id]
        findings += [Finding(pair_id, problem) for problem in _problems_of_pair(record, pair_id, own)]
    findings += _nobodys(record)
    return Audit(
        trading_date=record.trading_date,
        orders=tuple(_row(record, builds, order) for order in orders),
        pairs=len(record.approvals) - len(record.carried),
        by_hand=len(record.by_hand),
        findings=tuple(findings),
    )


_Builds = Mapping[str, Sequence[Build]]


def _by_service(builds: Iterable[Build]) -> _Builds:
    found: dict[str, list[Build]] = {}
    for build in sorted(builds, key=lambda build: (build.service, build.started_at_ns)):
        found.setdefault(build.service, []).append(build)
    return found


def _build_at(builds: _Builds, said: tuple[str, int]) -> str:
    """The build of the process of a service that ran when it said something; empty where none is known."""
    service, at_ns = said
    own = builds.get(service, ())
    place = bisect_right([build.started_at_ns for build in own], at_ns)
    return own[place - 1].build_id if place else ""


def _problems_of(record: Record, builds: _Builds, order: _Order) -> Iterator[str]:
    command, facts = order.command, order.facts
    approval = record.approvals.get(order.pair_id)
    if approval is None:
        yield f"no approval of its pair {order.pair_id or '(none)'} is on record"
    elif approval.intent_id not in record.intents:
        yield f"the intent {approval.intent_id} of its pair is not on record"
    if approval is not None and approval.reference_hash not in record.references:
        yield f"the reference data {approval.reference_hash} it was approved under is not on record"
    if command is None:
        yield "nobody commanded it"
    elif not _build_at(builds, order.commanded):
        yield f"which build of {order.commanded[0]} commanded it is not on record"
    if order.told[0] and not _build_at(builds, order.told):
        yield f"which build of {order.told[0]} told of it is not on record"
    if command is not None and facts is not None and not _same(command, facts, amended=order.amended):
        yield "what became of it is not what was commanded: symbol, venue, side or quantity differ"
    if not _names_itself(order):
        yield f"its id does not name its pair {order.pair_id} and side"
    if len(order.broker_numbers) > 1:
        yield f"it has several broker orders: {', '.join(sorted(order.broker_numbers))}"
    if not order.end and order.first_ns < record.ends_ns - UNDER_WAY_NS:
        yield "what became of it is not on record"


def _same(command: PlaceOrder, facts: OrderFacts, *, amended: bool) -> bool:
    commanded = (command.pair_id, command.symbol, command.venue, command.side)
    told = (facts.pair_id, facts.symbol, facts.venue, facts.side)
    return commanded == told and (amended or command.qty_shares == facts.qty_shares)


def _names_itself(order: _Order) -> bool:
    parts = order.order_id.split(".")
    if len(parts) != 4 or not (parts[1].isdigit() and parts[3].isdigit()):
        return False
    said = order.command or order.facts
    sides = tuple(Side) if said is None else (said.side,)
    return order.order_id in {
        order_id_of(order.pair_id, int(parts[1]), side, int(parts[3])) for side in sides
    }


def _shared_numbers(orders: Sequence[_Order]) -> Iterator[Finding]:
    owner: dict[str, str] = {}
    for order in orders:
        for number in sorted(order.broker_numbers):
            other = owner.setdefault(number, order.order_id)
            if other != order.order_id:
                yield Finding(order.order_id, f"the broker's order {number} is also {other}'s")


def _problems_of_pair(record: Record, pair_id: str, own: Sequence[_Order]) -> Iterator[str]:
    """Whether the fills of a pair's orders are what its approval allowed and its close says."""
    approval, closed = record.approvals.get(pair_id), record.closes.get(pair_id)
    if approval is None or pair_id in record.carried:
        return
    bought, sold = _filled(own, Side.BUY), _filled(own, Side.SELL)
    if bought[0] > approval.qty_shares:
        yield f"{bought[0]} shares were bought, {approval.qty_shares} approved"
    if closed is None:
        last_ns = max(order.first_ns for order in own)
        if bought[0] and pair_id not in record.stranded and last_ns < record.ends_ns - UNDER_WAY_NS:
            yield "it was filled, and neither closed nor named stranded"
        return
    said = ((closed.bought_shares, closed.bought_krw), (closed.sold_shares, closed.sold_krw))
    if said != (bought, sold):
        yield f"its close says (shares, KRW) bought {said[0]}, sold {said[1]}; its fills are {bought}, {sold}"
    if closed.outcome is PairOutcome.CLAIMED:
        return
    if bought[0] != sold[0]:
        yield f"it closed {closed.outcome} with {bought[0]} shares bought and {sold[0]} sold"
    costs_krw = sum(o.facts.commission_krw + o.facts.tax_krw for o in own if o.facts is not None)
    said_krw = closed.commission_krw + closed.tax_krw
    if said_krw != costs_krw:
        yield f"its close says {said_krw} KRW of commission and tax, its orders cost {costs_krw}"


def _filled(orders: Iterable[_Order], side: Side) -> tuple[int, int]:
    """Shares and KRW filled on one side."""
    facts = [order.facts for order in orders if order.facts is not None and order.facts.side is side]
    return sum(one.cum_qty_shares for one in facts), sum(one.cum_amount_krw for one in facts)


def _nobodys(record: Record) -> Iterator[Finding]:
    """Orders that are not ours, in symbols of the map, that no person has named since."""
    ours = {number for order in record.orders.values() for number in order.broker_numbers}
    mapped = {entry.krx_code for reference in record.references.values() for entry in reference.symbols}
    for number, (first_ns, order) in sorted(record.by_hand.items()):
        named = any(symbol == order.symbol and at_ns >= first_ns for at_ns, symbol in record.words)
        if number not in ours and order.symbol in mapped and not named:
            what = f"{order.side} {order.qty_shares} of {order.symbol} on {order.venue}"
            yield Finding(f"broker order {number}", f"{what} is not ours, and nobody has said whose it is")


def _row(record: Record, builds: _Builds, order: _Order) -> OrderRow:
    approval = record.approvals.get(order.pair_id)
    return OrderRow(
        order_id=order.order_id,
        pair_id=order.pair_id,
        intent_id="" if approval is None else approval.intent_id,
        reference_hash="" if approval is None else approval.reference_hash,
        commanded_by=_build_at(builds, order.commanded),
        told_by=_build_at(builds, order.told),
        broker_order_no=", ".join(sorted(order.broker_numbers)),
        filled_shares=0 if order.facts is None else order.facts.cum_qty_shares,
        end=order.end,
    )
