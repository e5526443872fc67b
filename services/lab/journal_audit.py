"""Is every order of a day explained? The completeness check of the record (RTS 6 art. 12(3)).

The chain shows that no line was changed; this shows that nothing is missing between the lines: each order
was commanded for a pair that risk approved, from an intent whose two quotes are on record and give its
prices, under reference data that is on record, by a build that is known, and its end is told; the close of
each pair, its profit too, is what its own fills, costs and claims come to, on whatever date they were told;
each order that is not ours was named by a person. `audit` is pure; `read_date` (`journal_record`) reads what
it needs.

An order names its build through the process that made it: the newest one of that service which had
started by then, as the heartbeats in the record say.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.contracts.ids import order_id_of
from services.contracts.limits import NS_PER_S
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.orders import (
    OrderFacts,
)
from services.contracts.terms import Side, TradingDate
from services.lab.closings import filled, problems_of_close
from services.notifier.journal_record import Build, Finding, Order, Record

UNDER_WAY_NS: Final = 60 * NS_PER_S
"""What began so shortly before the record's end may still be going on: its end is not asked for."""


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


def audit(record: Record) -> Audit:
    """Return every order of the date with where it comes from, and all that is not explained."""
    builds = _by_service(record.builds)
    orders = sorted(record.orders.values(), key=lambda order: (order.first_ns, order.order_id))
    findings = list(record.holes)
    for order in orders:
        findings += [Finding(order.order_id, problem) for problem in _problems_of(record, builds, order)]
    findings += _shared_numbers(orders)
    for pair_id in record.pairs():
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


def _problems_of(record: Record, builds: _Builds, order: Order) -> Iterator[str]:
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


def _names_itself(order: Order) -> bool:
    parts = order.order_id.split(".")
    if len(parts) != 4 or not (parts[1].isdigit() and parts[3].isdigit()):
        return False
    said = order.command or order.facts
    sides = tuple(Side) if said is None else (said.side,)
    return order.order_id in {
        order_id_of(order.pair_id, int(parts[1]), side, int(parts[3])) for side in sides
    }


def _shared_numbers(orders: Sequence[Order]) -> Iterator[Finding]:
    owner: dict[str, str] = {}
    for order in orders:
        for number in sorted(order.broker_numbers):
            other = owner.setdefault(number, order.order_id)
            if other != order.order_id:
                yield Finding(order.order_id, f"the broker's order {number} is also {other}'s")


def _problems_of_pair(record: Record, pair_id: str, own: Sequence[Order]) -> Iterator[str]:
    """Whether a pair's intent had its quotes, and its close says what its fills come to."""
    approval, closed = record.approvals.get(pair_id), record.closes.get(pair_id)
    if approval is None:
        if not own:
            yield "it was closed, and no approval of it is on record"
        return
    if own and approval.intent_id in record.intents:
        yield from _problems_of_quotes(record, record.intents[approval.intent_id])
    facts = record.facts_of(pair_id)
    bought_shares, _ = filled(facts, Side.BUY)
    if bought_shares > approval.qty_shares:
        yield f"{bought_shares} shares were bought, {approval.qty_shares} approved"
    if closed is not None:
        yield from problems_of_close(closed, facts, record.claims.get(pair_id, ()))
        return
    last_ns = max(order.first_ns for order in own)
    ended = pair_id in record.stranded or pair_id in record.carried
    if bought_shares and not ended and last_ns < record.ends_ns - UNDER_WAY_NS:
        yield "it was filled, and neither closed nor named stranded"


def _problems_of_quotes(record: Record, intent: TradeIntent) -> Iterator[str]:
    for leg, seen in ((intent.side_a, intent.quote_a), (intent.side_b, intent.quote_b)):
        found, named = (
            record.quotes.get(seen.message_id),
            f"the quote {seen.message_id} that its intent names",
        )
        if found is None:
            yield f"{named} for {leg.venue} is not on record"
            continue
        if found != seen.quote:
            yield f"{named} is on record with another book"
        if (found.symbol, found.venue) != (intent.symbol, leg.venue):
            yield f"{named} is of {found.symbol} on {found.venue}, its leg of {intent.symbol} on {leg.venue}"
            continue
        price_krw = _price_of(found.asks if leg.side is Side.BUY else found.bids, intent.qty_shares)
        if price_krw != leg.price_krw:
            what = f"{intent.qty_shares} shares at {price_krw} KRW"
            yield f"{named} gives {what}, the intent says {leg.price_krw}"


def _price_of(levels: Sequence[tuple[int, int]], qty_shares: int) -> int | None:
    """The worst price (KRW) at which a book gives a quantity, None where it does not."""
    for price_krw, shares in levels:
        qty_shares -= shares
        if qty_shares <= 0:
            return price_krw
    return None


def _nobodys(record: Record) -> Iterator[Finding]:
    """Orders that are not ours, in symbols of the map, that no person has named since."""
    ours = {number for order in record.orders.values() for number in order.broker_numbers}
    mapped = {entry.krx_code for reference in record.references.values() for entry in reference.symbols}
    for number, (first_ns, order) in sorted(record.by_hand.items()):
        named = any(symbol == order.symbol and at_ns >= first_ns for at_ns, symbol in record.words)
        if number not in ours and order.symbol in mapped and not named:
            what = f"{order.side} {order.qty_shares} of {order.symbol} on {order.venue}"
            yield Finding(f"broker order {number}", f"{what} is not ours, and nobody has said whose it is")


def _row(record: Record, builds: _Builds, order: Order) -> OrderRow:
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
