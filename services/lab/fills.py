"""What became of the system's orders in a simulated day: fills, missed sales, and what the price did after.

Pure. A `QuoteTape` is fed with the true best prices while the day runs; the rest stands in the day's record.
Entries are filed by the side that moved last, as the executor saw it before it bought (`MovedLast`).
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from services.contracts.ids import leg_of
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.pairs import ClipRecomputed, PairApproved, ResidualOpened
from services.contracts.terms import MovedLast, Side, Venue
from services.lab.broker_books import NEW, BrokerOrder
from services.lab.record import Record

Best = tuple[int, int]
"""Best bid and best ask in KRW; 0 where there is none."""
Key = tuple[str, int]
"""A clip: the pair's id and the clip's number."""
HORIZONS_MS = (100, 1_000, 10_000)
"""How long after a fill the mid is looked at: before, while and after the other leg is worked (assumed)."""
WHOLE, PART, NONE = "whole", "part", "none"


class QuoteTape:
    """True best prices by code and venue over time."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, Venue], list[tuple[int, Best]]] = {}

    def moved(self, code: str, venue: Venue, best: Best, now_ns: int) -> None:
        """The book of a venue has changed."""
        rows = self._rows.setdefault((code, venue), [])
        if rows and rows[-1][0] == now_ns:
            rows.pop()
        if not rows or rows[-1][1] != best:
            rows.append((now_ns, best))

    def arrived(self, code: str, venue: Venue, best: Best, left_ns: int, now_ns: int) -> None:
        """What the feed shows does not count here."""

    def twice_mid(self, code: str, venue: Venue, at_ns: int, *, before: bool = False) -> int | None:
        """Bid plus ask at a moment in KRW, or just before it; None where one is missing."""
        rows = self._rows.get((code, venue), [])
        place = (bisect_left if before else bisect_right)(rows, at_ns, key=_at) - 1
        bid_krw, ask_krw = rows[place][1] if place >= 0 else (0, 0)
        return bid_krw + ask_krw if bid_krw and ask_krw else None


def _at(row: tuple[int, Best]) -> int:
    return row[0]


@dataclass(frozen=True, slots=True)
class Leg:
    """One order that reached its venue. `mids` is twice the mid of its venue in KRW: just before its last
    fill, and after each of `HORIZONS_MS`; None where the venue did not quote."""

    moved_last: MovedLast
    side: Side
    extent: str
    """`WHOLE`, `PART` or `NONE`."""
    mids: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Clip:
    """One bought clip. Money in KRW: paid without charges, and the net after all charges."""

    paid_krw: int
    expected_krw: Decimal
    realised_krw: int
    missed: bool
    """Its pair had to open a residual for it."""
    moved_last: MovedLast = MovedLast.UNKNOWN

    @property
    def expected_bps(self) -> Decimal:
        return self.expected_krw * 10_000 / self.paid_krw


@dataclass
class DayFills:
    """What one day of a market preset came to. `legs` are the first buy and the first sale of each clip."""

    preset: str = ""
    clips: list[Clip] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)
    crosses_seen: int = 0
    phantoms: int = 0


def fills_of(day: Record, tape: QuoteTape) -> tuple[list[Clip], list[Leg]]:
    """Return the bought clips of a day that is over, and the legs of all its clips."""
    legs = [
        _leg(tape, order, moved_last)
        for worked, (_, moved_last) in ((worked, promise) for _, worked, promise in _worked(day))
        for side in Side
        for order in [order for order in worked if order.side is side][:1]
    ]
    return list(clips_of(day).values()), legs


def clips_of(day: Record) -> dict[Key, Clip]:
    """Every clip that bought something, by the broker's books."""
    residual = {opened.pair_id for opened in day.ever(ResidualOpened)}
    last = dict(sorted(key for key, _, _ in _worked(day)))
    found = {}
    for key, worked, (share_krw, moved_last) in _worked(day):
        bought = [order for order in worked if order.side is Side.BUY]
        shares = sum(order.filled_shares for order in bought)
        if shares:
            found[key] = Clip(
                paid_krw=sum(order.amount_krw for order in bought),
                expected_krw=share_krw * shares,
                realised_krw=sum(order.cash_flow_krw for order in worked),
                missed=key[0] in residual and key[1] == last[key[0]],
                moved_last=moved_last,
            )
    return found


def _worked(day: Record) -> list[tuple[Key, list[BrokerOrder], tuple[Decimal, MovedLast]]]:
    """The orders of each clip of an approved pair, with what its quotes promised a share, KRW."""
    intents = {intent.intent_id: intent for intent in day.ever(TradeIntent)}
    approved = {pair.pair_id: intents[pair.intent_id] for pair in day.ever(PairApproved)}
    looked = {(again.pair_id, again.clip): again for again in day.ever(ClipRecomputed)}
    return [
        (key, worked, _promise(worked, approved[key[0]], looked.get(key)))
        for key, worked in orders_by_clip(day.orders()).items()
        if key[0] in approved
    ]


def orders_by_clip(orders: Iterable[BrokerOrder]) -> dict[Key, list[BrokerOrder]]:
    """New orders by clip, as their ids name it, in the order in which the broker took them."""
    found: dict[Key, list[BrokerOrder]] = {}
    for order in orders:
        if order.action == NEW and leg_of(order.rqname) is not None:
            pair_id, clip, *_ = order.rqname.split(".")
            found.setdefault((pair_id, int(clip)), []).append(order)
    return found


def _promise(
    orders: Sequence[BrokerOrder], intent: TradeIntent, looked: ClipRecomputed | None
) -> tuple[Decimal, MovedLast]:
    asked = sum(order.qty_shares for order in orders if order.side is Side.BUY)
    if looked is None or not asked:
        return Decimal(intent.net_edge_krw) / intent.qty_shares, intent.moved_last
    return Decimal(looked.net_edge_krw) / asked, looked.moved_last


def _leg(tape: QuoteTape, order: BrokerOrder, moved_last: MovedLast) -> Leg:
    if not order.filled_shares or order.venue is None:
        return Leg(moved_last, order.side, NONE)
    at_ns = order.fills[-1].ts_ns
    after = (tape.twice_mid(order.code, order.venue, at_ns + ms * NS_PER_MS) for ms in HORIZONS_MS)
    mids = (tape.twice_mid(order.code, order.venue, at_ns, before=True), *after)
    return Leg(moved_last, order.side, WHOLE if order.filled_shares == order.qty_shares else PART, mids)


# -- what many days come to ----------------------------------------------------------------


class FillFigures(BaseModel):
    """What the entries of one market preset came to, by the side that moved last.

    Rates are shares of one, `_bps` are of what was paid (moves: of the mid), None where nothing was counted.
    A miss is a bought clip whose pair had to open a residual. `miss_loss_bps` counts from the expected net.
    A move is positive where the mid of the order's venue rose.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    moved_last: MovedLast
    entries: dict[str, int]
    """Orders by how much of them filled."""
    sales: dict[str, int]
    clips: int
    missed: int
    miss_rate: float | None
    miss_loss_bps: float | None
    expected_bps: float | None
    realised_bps: float | None
    move_after_buy_bps: dict[str, float | None]
    """By ms after the fill."""
    move_after_sale_bps: dict[str, float | None]


def fill_figures(days: Iterable[DayFills]) -> list[FillFigures]:
    """Add days up, by preset and by the side that moved last."""
    clips: dict[tuple[str, MovedLast], list[Clip]] = {}
    legs: dict[tuple[str, MovedLast], list[Leg]] = {}
    for day in days:
        for clip in day.clips:
            clips.setdefault((day.preset, clip.moved_last), []).append(clip)
        for leg in day.legs:
            legs.setdefault((day.preset, leg.moved_last), []).append(leg)
    keys = sorted({*clips, *legs})
    return [_figures(*key, clips.get(key, []), legs.get(key, [])) for key in keys]


def _figures(preset: str, moved_last: MovedLast, clips: Sequence[Clip], legs: Sequence[Leg]) -> FillFigures:
    missed = [clip for clip in clips if clip.missed]
    buys, sales = ([leg for leg in legs if leg.side is side] for side in (Side.BUY, Side.SELL))
    return FillFigures(
        preset=preset, moved_last=moved_last, entries=_extents(buys), sales=_extents(sales),
        clips=len(clips), missed=len(missed),
        miss_rate=round(len(missed) / len(clips), 3) if clips else None,
        miss_loss_bps=_bps(sum(clip.expected_krw - clip.realised_krw for clip in missed), missed),
        expected_bps=_bps(sum(clip.expected_krw for clip in clips), clips),
        realised_bps=_bps(sum(clip.realised_krw for clip in clips), clips),
        move_after_buy_bps=_moves(buys), move_after_sale_bps=_moves(sales),
    )  # fmt: skip


def _extents(legs: Iterable[Leg]) -> dict[str, int]:
    counted = Counter(leg.extent for leg in legs)
    return {extent: counted[extent] for extent in (WHOLE, PART, NONE)}


def _bps(amount_krw: Decimal | int, clips: Sequence[Clip]) -> float | None:
    paid_krw = sum(clip.paid_krw for clip in clips)
    return float(round(Decimal(amount_krw) * 10_000 / paid_krw, 1)) if paid_krw else None


def _moves(legs: Sequence[Leg]) -> dict[str, float | None]:
    return {str(horizon_ms): _move(legs, at) for at, horizon_ms in enumerate(HORIZONS_MS, 1)}


def _move(legs: Sequence[Leg], at: int) -> float | None:
    """The mean move of the mid, bps, over the fills whose venue quoted at both moments."""
    moves = [
        Decimal(after - before) * 10_000 / before
        for before, after in ((leg.mids[0], leg.mids[at]) for leg in legs if leg.mids)
        if before is not None and after is not None
    ]
    return float(round(sum(moves, Decimal(0)) / len(moves), 1)) if moves else None


HEADS = (
    "preset", "moved last", "entries whole/part/none", "sales whole/part/none", "missed", "loss a miss",
    "expected", "realised", "mid after buy 0.1/1/10 s", "mid after sale",
)  # fmt: skip


def table_rows(figures: Iterable[FillFigures]) -> list[tuple[str, ...]]:
    """Rows under `HEADS`, amounts in bps."""
    return [
        (
            row.preset or "-", row.moved_last or "-", _slashed(row.entries), _slashed(row.sales),
            f"{row.missed}/{row.clips}" + ("" if row.miss_rate is None else f" {row.miss_rate:.0%}"),
            _signed(row.miss_loss_bps), _signed(row.expected_bps), _signed(row.realised_bps),
            " / ".join(map(_signed, row.move_after_buy_bps.values())),
            " / ".join(map(_signed, row.move_after_sale_bps.values())),
        )
        for row in figures
    ]  # fmt: skip


def _slashed(counts: Mapping[str, int]) -> str:
    return "/".join(str(count) for count in counts.values())


def _signed(bps: float | None) -> str:
    return "-" if bps is None else f"{bps:+.1f}"
