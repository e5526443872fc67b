"""Which of our orders without a number may be one that the broker shows."""

from collections.abc import Iterable, Mapping

from services.gateway.evidence import Evidence
from services.gateway.order_table import OrderRecord
from services.gateway.turn import Turn

CLOCKS_PART_NS = 30_000_000_000
"""The broker stamps whole seconds of another clock: a row this much older than ours may still be ours.

Too little would take an order that works for one that never arrived; too much only asks a person."""
LATE_NS = 300_000_000_000
"""An order that no query showed may still have reached the broker so much later, and not after it."""


def fits(turn: Turn, record: OrderRecord, seen: Evidence) -> bool:
    """The same order by symbol, venue, side, kind, quantity and price, and not older than ours."""
    return turn.state.orders.may_be(record, seen) and _since(turn, record, seen)


def _since(turn: Turn, record: OrderRecord, seen: Evidence) -> bool:
    return not seen.hhmmss or seen.hhmmss >= turn.state.clock.hhmmss(record.sent_ns - CLOCKS_PART_NS)


def over_before_baseline(turn: Turn, seen: Evidence) -> bool:
    """Whether a row that nobody has heard of was over before the baseline was taken: the baseline holds what
    it filled. The newest orders were read with it, so that one which is not older by more than the clocks may
    part is new."""
    baseline_ns = turn.state.baseline_ns
    if not (baseline_ns and seen.by_query and seen.hhmmss) or seen.works:
        return False
    latest: str = turn.state.clock.hhmmss(baseline_ns - CLOCKS_PART_NS)
    return seen.hhmmss < latest


def perhaps_before_baseline(turn: Turn, seen: Evidence) -> bool:
    """Whether an order was there as the baseline was taken, as far as the clocks may part."""
    latest: str = turn.state.clock.hhmmss(turn.state.baseline_ns + CLOCKS_PART_NS)
    return seen.hhmmss <= latest


def by_number(seen: Iterable[Evidence]) -> dict[str, list[Evidence]]:
    """Return the rows of each order: one list of the broker says of it what the other does not."""
    rows: dict[str, list[Evidence]] = {}
    for each in seen:
        rows.setdefault(each.broker_order_no, []).append(each)
    return rows


def rivals(turn: Turn, record: OrderRecord, found: Mapping[str, list[Evidence]]) -> bool:
    """Whether the rows found leave out what tells this order from another without a number: venue, kind or
    price. An order that is given such a row because it comes first may keep the number of the other."""
    rows = [seen for each in found.values() for seen in each]
    return any(
        other.is_order and other.unacknowledged and _told_apart(record) != _told_apart(other)
        and any(fits(turn, other, seen) for seen in rows)
        for other in turn.state.orders.working.values()
    )  # fmt: skip


def _told_apart(record: OrderRecord) -> tuple[object, ...]:
    return record.facts.venue, record.facts.kind, record.facts.price_krw


def alike_but_for_screen(turn: Turn, record: OrderRecord, rows: list[Evidence]) -> dict[str, list[Evidence]]:
    """Return the orders that only their screen tells from ours, by number, while nothing has shown yet that
    the broker echoes screens: nobody but a person can tell."""
    table = turn.state.orders
    if table.screens_echoed is not None:
        return {}
    return by_number(s for s in rows if table.is_like(record, s) and _since(turn, record, s))


def arrived_late(turn: Turn, seen: Evidence) -> list[OrderRecord]:
    """Return the orders that no query had shown and that evidence of an unknown number fits: one is ours,
    several are a question. One that the broker refused is known by answer or screen alone."""
    if not seen.hhmmss:
        return []
    return [
        record
        for record in turn.state.orders.gone()
        if not (record.rejected or record.ambiguous)
        and fits(turn, record, seen)
        and seen.hhmmss <= turn.state.clock.hhmmss(record.sent_ns + LATE_NS)
    ]
