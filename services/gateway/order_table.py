"""Order truth: what each order is and how far it got, whatever order the evidence came in.

An order is known by our id, and by the broker's number within one trading date and account. Its
fill state is (cumulative quantity, cumulative amount, closed); evidence merges by maximum, so
that frames and query rows may come twice, late, reordered or not at all. No fill is ever taken back.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from services.contracts.messages.orders import OrderFacts
from services.contracts.terms import Side, Symbol, Venue
from services.gateway.evidence import Evidence
from services.gateway.foreign_orders import at_risk_shares, meets, merge_foreign, merged, progress
from services.market.hoga import OrderAction

NOT_COUNTED: Final[Mapping[str, int]] = MappingProxyType({})
"""In place of `unsold`: count it anew from the orders."""


class Stage(StrEnum):
    """How far our knowledge of an order goes."""

    SENT = "sent"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """One order of ours. A cancel or amendment names `target_id`, by the broker's `original_no`.

    `closing_amount_krw` is the amount that evidence with nothing remaining has named, -1 before
    there is any. `moved_ns` is when evidence last changed the order. `absences` counts queries of all
    orders that did not show it, the last one begun at `absent_ns`. `blank_ns` is when a query began that
    showed it over without an amount.
    """

    facts: OrderFacts
    action: OrderAction
    stage: Stage
    screen: str
    sent_ns: int
    target_id: str = ""
    original_no: str = ""
    closing_amount_krw: int = -1
    moved_ns: int = 0
    cancel_confirmed: bool = False
    rejected: bool = False
    absences: int = 0
    absent_ns: int = 0
    ambiguous: bool = False
    blank_ns: int = 0

    @property
    def order_id(self) -> str:
        return self.facts.order_id

    @property
    def open_shares(self) -> int:
        """What can still fill; for an unknown order all of it."""
        return 0 if self.stage is Stage.CLOSED else self.unfilled_shares

    @property
    def unfilled_shares(self) -> int:
        return self.facts.qty_shares - self.facts.cum_qty_shares

    @property
    def unacknowledged(self) -> bool:
        return self.stage in (Stage.SENT, Stage.UNKNOWN) and not self.facts.broker_order_no

    @property
    def is_order(self) -> bool:
        """Whether shares can fill: a cancel has none of its own."""
        return self.action is not OrderAction.CANCEL

    def could_be(self, seen: Evidence) -> bool:
        """Whether this order without a number may be the one that was seen."""
        facts = self.facts
        same = facts.symbol == seen.symbol and facts.side is seen.side
        venue = seen.venue in (None, facts.venue)
        kind = (seen.cancels, seen.amends) == (
            self.action is OrderAction.CANCEL,
            self.action is OrderAction.AMEND,
        )
        size = self.action is OrderAction.CANCEL or (
            seen.qty_shares in (None, facts.qty_shares) and seen.price_krw in (None, 0, facts.price_krw)
        )
        return (
            same and venue and kind and size and self._of_this_kind(seen)
            and seen.original_no in ("", self.original_no)
        )  # fmt: skip

    def _of_this_kind(self, seen: Evidence) -> bool:
        """Limit, IOC or market, as the broker's text says. A cancel or amendment has no kind of its own."""
        if self.action is not OrderAction.NEW:
            return True
        return seen.kind_is_ours and seen.kind in (None, self.facts.kind)

    def contradicts(self, seen: Evidence) -> bool:
        """Whether what was seen under this order's number is of another order: share, side, venue, or
        quantity and price where both have one, differ. A change has its own, under whatever number."""
        facts = self.facts
        if self.is_elsewhere(seen):
            return True
        if self.action is OrderAction.CANCEL or (seen.changes and self.action is OrderAction.NEW):
            return False
        priced = bool(seen.price_krw and facts.price_krw)
        other_size = seen.qty_shares not in (None, facts.qty_shares)
        return other_size or (priced and seen.price_krw != facts.price_krw)

    def is_elsewhere(self, seen: Evidence) -> bool:
        """Whether what was seen is of another share, side or venue."""
        facts = self.facts
        same = facts.symbol == seen.symbol and facts.side is seen.side
        return not same or seen.venue not in (None, facts.venue)

    def from_elsewhere(self, seen: Evidence) -> bool:
        """Whether what was seen names another screen than the one this order went out on (FID 920)."""
        return seen.screen not in ("", self.screen)


@dataclass(frozen=True, slots=True)
class Parked:
    """Evidence for a number nobody has claimed yet, and since when it waits."""

    seen: tuple[Evidence, ...]
    since_ns: int


@dataclass(frozen=True, slots=True)
class OrderTable:
    """All orders of one trading date and account.

    `working` are ours that may still fill or are unknown, `done` the others, `numberless` those of them
    that closed without a number of the broker's; `numbers` maps those to our ids, `foreign` holds orders that
    are not ours, `first_seen` is when evidence of a number came that nobody had. `screens_echoed` is what
    frames of orders whose number we know have shown of FID 920: true where it was their own screen, false
    where it was none of ours, None before the first. That it echoes is not certain (Kiwoom sheet 1.3): where
    it is false, none is judged by it.
    `contradicted` are orders that closed and that a query shows as open, since the query began.
    `carried` are the shares that a pair bought on earlier dates and had not sold when this one began, of
    `carried_symbols`; what a person has `claimed` is nobody's to sell any more. `unsold` is what each pair
    may sell, where that is not 0: counted with each order, so that what is over costs nothing all day.
    `taken_over` are foreign orders that a person made of one of ours by amending it, and its pair: what they
    sell was that pair's. `foreign_absent` says since which query (its begin) the broker's list does not show
    a foreign order.
    """

    working: Mapping[str, OrderRecord] = field(default_factory=dict)
    done: Mapping[str, OrderRecord] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    by_pair: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parked: Mapping[str, Parked] = field(default_factory=dict)
    foreign: Mapping[str, Evidence] = field(default_factory=dict)
    first_seen: Mapping[str, int] = field(default_factory=dict)
    numberless: frozenset[str] = frozenset()
    contradicted: Mapping[str, int] = field(default_factory=dict)
    screens_echoed: bool | None = None
    carried: Mapping[str, int] = field(default_factory=dict)
    carried_symbols: Mapping[str, Symbol] = field(default_factory=dict)
    claimed: frozenset[str] = frozenset()
    unsold: Mapping[str, int] = field(default_factory=lambda: NOT_COUNTED)
    foreign_absent: Mapping[str, int] = field(default_factory=dict)
    taken_over: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.unsold is NOT_COUNTED:
            shares = {pair_id: self.sellable_shares(pair_id) for pair_id in {*self.by_pair, *self.carried}}
            object.__setattr__(self, "unsold", {pair_id: qty for pair_id, qty in shares.items() if qty})

    # -- reading ----------------------------------------------------------------------

    def get(self, order_id: str) -> OrderRecord | None:
        return self.working.get(order_id) or self.done.get(order_id)

    def by_number(self, broker_order_no: str) -> OrderRecord | None:
        return self.get(self.numbers.get(broker_order_no, ""))

    def of_pair(self, pair_id: str) -> Iterator[OrderRecord]:
        found = (self.get(order_id) for order_id in self.by_pair.get(pair_id, ()))
        return (record for record in found if record is not None)

    def symbol_of(self, pair_id: str) -> Symbol | None:
        """Return the symbol of a pair of which an order is known, or that was carried."""
        symbols = (record.facts.symbol for record in self.of_pair(pair_id))
        return next(symbols, self.carried_symbols.get(pair_id))

    def sellable_shares(self, pair_id: str) -> int:
        """What a pair bought, less what it sold and what working or unknown sells may still sell."""
        if pair_id in self.claimed:
            return 0
        free = self.carried.get(pair_id, 0)
        for record in self.of_pair(pair_id):
            if not record.is_order:
                continue
            if record.facts.side is Side.BUY:
                free += record.facts.cum_qty_shares
            else:
                free -= record.facts.cum_qty_shares + record.open_shares
        for no, pair in self.taken_over.items():
            seen = self.foreign[no]
            if pair == pair_id and seen.side is Side.SELL:
                at_risk = at_risk_shares(seen)
                free = min(free, 0) if at_risk is None else free - at_risk
        return free

    def still_held(self) -> dict[str, int]:
        """Return what each pair has bought and not sold."""
        return {pair_id: qty for pair_id, qty in sorted(self.unsold.items()) if qty > 0}

    def pairs_owing_an_exit(self) -> frozenset[str]:
        """Pairs that hold shares not yet on sale, or whose entry may still fill."""
        owing = {r.facts.pair_id for r in self.working.values() if r.is_order and r.facts.side is Side.BUY}
        return frozenset(owing - self.claimed) | {
            pair_id for pair_id, qty in self.unsold.items() if qty > 0 and pair_id in self.by_pair
        }

    def unsettled_symbols_of_ours(self) -> set[Symbol]:
        """Return the symbols of which an order of ours may still change or is in question."""
        doubted = (self.get(order_id) for order_id in self.contradicted)
        records = (*self.working.values(), *doubted)
        return {record.facts.symbol for record in records if record is not None}

    def unsettled_symbols(self) -> set[Symbol]:
        """Return the symbols of which an order may still change or is in question, ours or others'."""
        return self.unsettled_symbols_of_ours() | {seen.symbol for seen in self.others_working()}

    def works_against(self, symbol: Symbol, venue: Venue, side: Side, limit_krw: int | None = None) -> str:
        """Return an order in the account that could meet one of `side` on that venue, or empty.

        Of orders that are not ours those count whose price meets `limit_krw`; with None every one counts. A
        price of 0 is a market order, and a price that is not known may be any.
        """
        for record in self.working.values():
            facts = record.facts
            if record.is_order and (facts.symbol, facts.venue, facts.side) == (symbol, venue, side.opposite):
                return record.order_id
        for seen in self.others_working():
            same = seen.symbol == symbol and seen.side is side.opposite and seen.venue in (None, venue)
            if same and meets(seen, limit_krw):
                return f"foreign {seen.broker_order_no}"
        return ""

    def others_working(self) -> Iterator[Evidence]:
        """Return the orders that are not known to be ours and may still fill, those of hand changes included.

        What waits to be claimed is among them: if it is ours, its own record bars the same.
        """
        for seen in self.foreign.values():
            if seen.works:
                yield seen
        for parked in self.parked.values():
            seen = merged(parked.seen)
            if not parked.seen[-1].cancels and seen.works:
                yield seen

    def unacknowledged(self, symbol: Symbol, venue: Venue, side: Side) -> str:
        """Return our order of that symbol, venue and side that has no number yet, or empty."""
        for record in self.working.values():
            facts = record.facts
            same = (facts.symbol, facts.venue, facts.side) == (symbol, venue, side)
            if same and record.is_order and record.unacknowledged:
                return record.order_id
        return ""

    # -- writing ----------------------------------------------------------------------

    def with_record(self, record: OrderRecord) -> "OrderTable":
        """Return the table with a record added or replaced, filed by whether it is over."""
        order_id, pair_id = record.order_id, record.facts.pair_id
        working, done, numbers, by_pair = self.working, self.done, self.numbers, self.by_pair
        no = record.facts.broker_order_no
        numberless = self.numberless - {order_id}
        if record.stage is Stage.CLOSED:
            done = {**done, order_id: record}
            working = {key: value for key, value in working.items() if key != order_id}
            numberless = numberless if no else numberless | {order_id}
        else:
            working = {**working, order_id: record}
            if order_id in done:
                done = {key: value for key, value in done.items() if key != order_id}
        if no and numbers.get(no) != order_id:
            numbers = {**numbers, no: order_id}
        if order_id not in by_pair.get(pair_id, ()):
            by_pair = {**by_pair, pair_id: (*by_pair.get(pair_id, ()), order_id)}
        table = replace(
            self, working=working, done=done, numbers=numbers, by_pair=by_pair, numberless=numberless
        )
        return table._counted(pair_id)

    def _counted(self, pair_id: str) -> "OrderTable":
        shares = self.sellable_shares(pair_id)
        if shares == self.unsold.get(pair_id, 0):
            return self
        rest = {key: qty for key, qty in self.unsold.items() if key != pair_id}
        return replace(self, unsold={**rest, pair_id: shares} if shares else rest)

    def with_records(self, records: Iterable[OrderRecord]) -> "OrderTable":
        """Return the table with many records added or replaced, each known once."""
        working, done, numbers = dict(self.working), dict(self.done), dict(self.numbers)
        by_pair, numberless = dict(self.by_pair), set(self.numberless)
        for record in records:
            order_id, pair_id, no = record.order_id, record.facts.pair_id, record.facts.broker_order_no
            closed = record.stage is Stage.CLOSED
            (working if closed else done).pop(order_id, None)
            (done if closed else working)[order_id] = record
            (numberless.add if closed and not no else numberless.discard)(order_id)
            if no:
                numbers[no] = order_id
            if order_id not in by_pair.get(pair_id, ()):
                by_pair[pair_id] = (*by_pair.get(pair_id, ()), order_id)
        return replace(
            self, working=working, done=done, numbers=numbers, by_pair=by_pair,
            numberless=frozenset(numberless), unsold=NOT_COUNTED,
        )  # fmt: skip

    def with_claimed(self, pairs: frozenset[str]) -> "OrderTable":
        """Return the table in which persons answer for what those pairs hold."""
        return replace(self, claimed=pairs, unsold=NOT_COUNTED)

    def without_unsent(self, order_id: str) -> "OrderTable":
        """Return the table without an order that definitely never left (it may be sent once more)."""
        record = self.working[order_id]
        pair_id = record.facts.pair_id
        rest = tuple(item for item in self.by_pair[pair_id] if item != order_id)
        working = {key: value for key, value in self.working.items() if key != order_id}
        table = replace(self, working=working, by_pair={**self.by_pair, pair_id: rest})
        return table._counted(pair_id)

    def may_be(self, record: OrderRecord, seen: Evidence) -> bool:
        """Whether an order without a number may be what was seen.

        Not if that came before it was sent, and not if anything that is known of the same number came from
        another screen (FID 920 is the one thing of ours that the broker echoes): a person's order may be
        exactly like ours in all else, and a query row does not tell its screen.
        """
        return self.is_like(record, seen) and not (
            self.screens_echoed is not False and self._elsewhere(record, seen)
        )

    def is_like(self, record: OrderRecord, seen: Evidence) -> bool:
        """Whether it is like what was seen in all but the screen, and did not come after it."""
        first_ns = self.first_seen.get(seen.broker_order_no, record.sent_ns)
        return record.could_be(seen) and first_ns >= record.sent_ns

    def _elsewhere(self, record: OrderRecord, seen: Evidence) -> bool:
        parked = self.parked.get(seen.broker_order_no, Parked((), 0))
        stranger = self.foreign.get(seen.broker_order_no)
        known = (*parked.seen, seen) if stranger is None else (stranger, *parked.seen, seen)
        return any(map(record.from_elsewhere, known))

    def claimant(self, seen: Evidence) -> OrderRecord | None:
        """Return the one order that evidence of a number nobody has belongs to, by screen: one in flight,
        else one that was thought never to have worked."""
        if self.screens_echoed is False or not seen.screen:
            return None
        return self._only(self.working.values(), seen) or self._only(self.gone(), seen)

    def _only(self, records: Iterable[OrderRecord], seen: Evidence) -> OrderRecord | None:
        matches = [
            r for r in records
            if not r.facts.broker_order_no and r.screen == seen.screen and self.may_be(r, seen)
        ]  # fmt: skip
        return matches[0] if len(matches) == 1 else None

    def gone(self) -> Iterator[OrderRecord]:
        """Orders that closed without a number: refused, or not shown by the broker's queries."""
        return (self.done[order_id] for order_id in sorted(self.numberless))

    def park(self, seen: Evidence, now_ns: int) -> "OrderTable":
        """Return the table with evidence kept for a number that nobody has claimed yet."""
        waiting = self.parked.get(seen.broker_order_no, Parked((), now_ns))
        if seen in waiting.seen:
            return self
        no, kept = seen.broker_order_no, Parked((*waiting.seen[-15:], seen), waiting.since_ns)
        first_seen = self.first_seen if no in self.first_seen else {**self.first_seen, no: now_ns}
        return replace(self, parked={**self.parked, no: kept}, first_seen=first_seen)

    def unpark(self, broker_order_no: str) -> tuple["OrderTable", tuple[Evidence, ...]]:
        """Return the table without what waited for a number, and what waited."""
        waiting = self.parked.get(broker_order_no)
        if waiting is None:
            return self, ()
        rest = {no: item for no, item in self.parked.items() if no != broker_order_no}
        return replace(self, parked=rest), waiting.seen

    def without_foreign(self, broker_order_no: str) -> tuple["OrderTable", Evidence | None]:
        """Return the table in which a number is no stranger's any more, and what was known of it."""
        known = self.foreign.get(broker_order_no)
        if known is None:
            return self, None
        rest = {no: item for no, item in self.foreign.items() if no != broker_order_no}
        taken = {no: pair_id for no, pair_id in self.taken_over.items() if no != broker_order_no}
        return replace(self, foreign=rest, taken_over=taken, unsold=NOT_COUNTED), known

    def with_foreign(self, seen: Evidence) -> tuple["OrderTable", bool]:
        """Return the table with a foreign order's newest state, and whether that is news."""
        before = self.foreign.get(seen.broker_order_no)
        after = merge_foreign(before, seen)
        if before is not None and progress(before) == progress(after):
            return self, False
        table = replace(self, foreign={**self.foreign, seen.broker_order_no: after})
        return table.with_taken_over((after,)), True

    def with_taken_over(self, strangers: Iterable[Evidence]) -> "OrderTable":
        """Return the table in which foreign orders that were made of one of ours count with its pair."""
        taken = dict(self.taken_over)
        for seen in strangers:
            record = self.by_number(seen.original_no)
            ours = record is not None and record.is_order and not record.is_elsewhere(seen)
            pair_id = record.facts.pair_id if record and ours else taken.get(seen.original_no, "")
            if pair_id:
                taken[seen.broker_order_no] = pair_id
        return replace(self, taken_over=taken, unsold=NOT_COUNTED) if taken else self

    def unlisted_foreign(
        self, numbers: AbstractSet[str], begun_ns: int, apart_ns: int
    ) -> tuple["OrderTable", list[Evidence]]:
        """Return the table after a list of all orders, and the foreign orders that are over by it.

        Those are over that two lists, apart, do not show.
        """
        open_ = {no for no, seen in self.foreign.items() if seen.works and no not in numbers}
        absent = {no: self.foreign_absent.get(no, begun_ns) for no in sorted(open_)}
        over = [no for no, since_ns in absent.items() if begun_ns - since_ns >= apart_ns]
        kept = {no: since_ns for no, since_ns in absent.items() if no not in over}
        table = self if kept == self.foreign_absent else replace(self, foreign_absent=kept)
        return table, [replace(self.foreign[no], remaining_shares=0, by_query=True) for no in over]
