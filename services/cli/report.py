"""What a day came to, and whether it is true: the services' figures beside the account's own books.

Pure. The profit comes from the services (each closed pair), the cash change from the broker's books. The day
is clean when no invariant over its record is broken, every phase was seen, and nothing went wrong.
"""

from collections.abc import Iterable, Sequence

from services.cli.figures import DayFigures
from services.contracts.terms import SessionPhase, Venue
from services.lab.invariants import breaches
from services.lab.record import Record
from services.market.sessions import DaySchedule
from services.simulator.promptness import PromptFigures, figures_of


class DayReport(PromptFigures):
    """The figures of one day; money in KRW, times in ms. `errors` is empty for a clean day."""

    trading_date: str
    seconds: int
    seed: int
    quotes: int
    crosses: int
    cross_ms_max: int
    intents: int
    denials: dict[str, int]
    gate_denials: dict[str, int]
    pairs_approved: int
    pairs_closed: int
    trips: int
    outcomes: dict[str, int]
    clips: int
    fills: int
    bought_shares: int
    bought_krw: int
    sold_shares: int
    sold_krw: int
    residuals: int
    stranded: int
    neutral_ms_max: int
    orders_sent: int
    orders_rejected: int
    orders_unknown: int
    queries_sent: int
    max_orders_in_any_second: int
    max_queries_in_any_second: int
    net_position_shares: int
    commission_krw: int
    tax_krw: int
    realised_pnl_krw: int
    account_cash_change_krw: int
    phases_seen: tuple[str, ...]
    phases_missed: tuple[str, ...]
    killed: str
    errors: tuple[str, ...]
    provisional: tuple[str, ...] = ()
    """What the figures rest on that is only computed, because it is not published yet; a sentence each."""

    @property
    def is_clean(self) -> bool:
        return not self.errors

    def with_errors(self, more: Sequence[str]) -> "DayReport":
        """Return the report with what went wrong after it was drawn up."""
        return self.model_copy(update={"errors": (*self.errors, *more)})


def report_of(
    figures: DayFigures, record: Record, schedule: DaySchedule, *,
    seconds: int, seed: int, quotes: int, killed: str = "", troubles: Sequence[str] = (),
    provisional: Sequence[str] = (),
) -> DayReport:  # fmt: skip
    """Return the report of a day by its figures and its record. `troubles` are what the one who ran it saw go
    wrong. Raises ValueError where the record has no books of the broker."""
    closed, books = figures.closed.values(), record.truth
    missed = tuple(sorted(expected_phases(schedule) - figures.phases))
    found = (breach.sentence for breach in breaches(record))
    errors = tuple(dict.fromkeys((*troubles, *figures.troubles, *found, *_missing(missed))))
    return DayReport(
        trading_date=schedule.trading_date, seconds=seconds, seed=seed, quotes=quotes,
        crosses=figures.crosses, cross_ms_max=figures.cross_ms_max, intents=figures.intents,
        denials=dict(figures.denials.most_common()), gate_denials=dict(figures.gate_denials.most_common()),
        pairs_approved=len(figures.approved), pairs_closed=len(closed),
        trips=sum(pair.trip for pair in closed), outcomes=_counts(pair.outcome for pair in closed),
        clips=figures.clips, fills=figures.fills,
        bought_shares=sum(pair.bought_shares for pair in closed),
        bought_krw=sum(pair.bought_krw for pair in closed),
        sold_shares=sum(pair.sold_shares for pair in closed),
        sold_krw=sum(pair.sold_krw for pair in closed),
        residuals=figures.residuals, stranded=len(figures.stranded),
        neutral_ms_max=max((pair.neutral_ms for pair in closed), default=0),
        orders_sent=len(figures.orders), orders_rejected=figures.orders_rejected,
        orders_unknown=figures.orders_unknown, queries_sent=books.queries_admitted,
        max_orders_in_any_second=books.max_orders_per_s,
        max_queries_in_any_second=books.max_queries_per_s,
        net_position_shares=books.net_position_shares,
        commission_krw=sum(pair.commission_krw for pair in closed),
        tax_krw=sum(pair.tax_krw for pair in closed),
        realised_pnl_krw=figures.realised_pnl_krw, account_cash_change_krw=books.cash_change_krw,
        phases_seen=tuple(sorted(figures.phases)), phases_missed=missed, killed=killed, errors=errors,
        provisional=tuple(provisional),
        **dict(figures_of([figures.promptness])),
    )  # fmt: skip


def expected_phases(schedule: DaySchedule) -> frozenset[str]:
    """Return every phase of a day as `VENUE:phase`, the sessions that are not enabled left out."""
    of_segments = {f"{v}:{s.phase}" for v in Venue for s in schedule.segments(v) if s.enabled}
    return frozenset(of_segments | {f"{venue}:{SessionPhase.CLOSED}" for venue in Venue})


def _missing(phases: Sequence[str]) -> list[str]:
    return [f"phases never seen: {', '.join(phases)}"] if phases else []


def _counts(values: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        counts[str(value)] = counts.get(str(value), 0) + 1
    return counts
