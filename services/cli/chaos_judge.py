"""The verdict on a day of faults: its record judged by the invariants, and what it came to.

Pure. The books are the simulator's snapshot, which no fault touches; the messages are those that the
streams hold at the end.
"""

from collections import Counter
from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from services.contracts.messages.control import LatchSet
from services.contracts.messages.orders import OrderUnknown
from services.contracts.messages.pairs import ResidualMarked
from services.lab.invariants import breaches
from services.lab.invariants.account import last_closings, lost_fills
from services.lab.invariants.orders import doubled_arrivals
from services.lab.record import Record
from services.simulator.promptness import Promptness


class DayVerdict(BaseModel):
    """What a day of faults came to; money in KRW. `violations` is empty where everything held."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pairs_closed: int
    trips: int
    doubled_orders: int
    lost_fills: int
    net_position_shares: int
    realised_pnl_krw: int
    account_cash_change_krw: int
    stranded: tuple[str, ...]
    strandings: int
    neutral_ms: tuple[int, ...]
    uncovered_krw_ms: int
    first_sell_waits_ms: tuple[int, ...] = ()
    entries_denied_late: int = 0
    orders_unknown: int
    max_orders_in_any_second: int
    max_queries_in_any_second: int
    latches: dict[str, int]
    violations: tuple[str, ...]


def judge(record: Record, risk_pnl_krw: int | None = None) -> DayVerdict:
    """Hold what was said against the books. `risk_pnl_krw` is what risk last said to have been realised.

    Raises ValueError where the record has no books of the broker.
    """
    truth = record.truth
    closed = tuple(last_closings(record).values())
    marked = {mark.pair_id for mark in record.of(ResidualMarked)}
    stranded = tuple(sorted(marked - {pair.pair_id for pair in closed}))
    if not stranded:  # risk adds up orders: while something is held its profit is not cash
        record = replace(record, risk_cash_flow_krw=risk_pnl_krw)
    promptness = Promptness()
    for envelope in record.kept.values():
        promptness.take(envelope.body)
    return DayVerdict(
        pairs_closed=len(closed), trips=sum(pair.trip for pair in closed),
        doubled_orders=sum(count - 1 for count in doubled_arrivals(truth).values()),
        lost_fills=sum(lost_fills(record).values()), net_position_shares=truth.net_position_shares,
        realised_pnl_krw=sum(pair.realised_pnl_krw for pair in closed),
        account_cash_change_krw=truth.cash_change_krw, stranded=stranded,
        strandings=len(record.of(ResidualMarked)),
        neutral_ms=tuple(sorted(pair.neutral_ms for pair in closed if pair.trip)),
        uncovered_krw_ms=promptness.unhedged_krw_ms,
        first_sell_waits_ms=tuple(sorted(promptness.first_sell_waits_ms)),
        entries_denied_late=len(promptness.entries_denied_late),
        orders_unknown=len({unknown.facts.order_id for unknown in record.of(OrderUnknown)}),
        max_orders_in_any_second=truth.max_orders_per_s, max_queries_in_any_second=truth.max_queries_per_s,
        latches=dict(sorted(Counter(str(latch.latch) for latch in record.of(LatchSet)).items())),
        violations=tuple(breach.sentence for breach in breaches(record)),
    )  # fmt: skip
