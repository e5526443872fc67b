"""A record of a day of real processes: what the streams said, the simulator's books, a person's own files."""

from collections.abc import Iterable
from pathlib import Path

from services.contracts.envelope import Envelope
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.pairs import PairApproved
from services.lab.broker_books import BrokerBooks
from services.lab.person_files import limits_in, list_commissions_in, threshold_in
from services.lab.record import Record
from services.market.market_clock import DayPlan
from services.market.sessions import DaySchedule

DECISIONS_MS = 1_500
"""What frames and decisions take at most through real processes, where the day does not show more."""
SLOWER = 2
"""How much slower than the slowest entry of the day one may have been that was not sent."""


def record_of(
    messages: Iterable[Envelope], books: BrokerBooks, config_dir: Path, plan: DayPlan, schedule: DaySchedule,
    *, struck: bool,
) -> Record:  # fmt: skip
    """Return the record of a day, with what it is judged by.

    `struck` says that faults hit the day, so that no time of it counts as calm. Where `costs.toml` names
    another commission than the broker's list, the published charges are not the person's, and the rules of
    the date are not judged. Raises what `person_files` raises.
    """
    kept = {envelope.id: envelope for envelope in messages}
    threshold = threshold_in(config_dir)
    windows = tuple((plan.wall_ns(w.start_ns), plan.wall_ns(w.end_ns)) for w in schedule.entry_windows())
    judged = list_commissions_in(config_dir)
    decisions_ns = max(DECISIONS_MS * NS_PER_MS, SLOWER * _slowest_entry_ns(kept.values(), books))
    record = Record(
        limits=limits_in(config_dir), threshold=threshold, said=kept, kept=kept, books=books,
        healed_in_time=True, windows_ns=windows, calm_ns=() if struck else windows,
        slowest_ns=(books.ways_ms + threshold.min_cross_ms) * NS_PER_MS + decisions_ns,
    )  # fmt: skip
    if judged:
        record.trading_date = schedule.trading_date
    return record


def _slowest_entry_ns(messages: Iterable[Envelope], books: BrokerBooks) -> int:
    """The longest that an entry of the day took from its newer quote to SendOrder; 0 where none was sent."""
    bodies = [envelope.body for envelope in messages]
    quoted_ns = {
        body.intent_id: max(body.quote_a.ts_event_ns, body.quote_b.ts_event_ns)
        for body in bodies
        if isinstance(body, TradeIntent)
    }
    began_ns = {
        body.pair_id: quoted_ns[body.intent_id]
        for body in bodies
        if isinstance(body, PairApproved) and body.intent_id in quoted_ns
    }
    first_ns: dict[str, int] = {}
    for arrival in books.arrivals:
        pair_id = arrival.rqname.partition(".")[0]
        if pair_id in began_ns:
            first_ns.setdefault(pair_id, arrival.received_ns - began_ns[pair_id])
    return max(first_ns.values(), default=0)
