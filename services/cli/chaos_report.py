"""What a drill came to over all its days, and how it is shown."""

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict
from rich.console import RenderableType
from rich.text import Text

from services.cli.chaos_judge import DayVerdict
from services.cli.chaos_plan import FaultKind
from services.cli.report_page import counted, prompt_rows, provisional_lines, report_page
from services.cli.wording import krw, signed_krw
from services.simulator.promptness import PromptFigures, Spread


class ChaosDayReport(BaseModel):
    """One day: its verdict, and the faults that struck it by `kind:target`.

    `to_rest_s` is how long after the last fault nothing was left to do; `account_compared` whether the
    broker's queries lasted for one more comparison after the last order (the judge reads the books itself).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: int
    faults: dict[str, int]
    kills_with_open_pair: int
    fenced: int
    entries_lost: int
    to_rest_s: int
    account_compared: bool
    verdict: DayVerdict


class ChaosReport(PromptFigures):
    """All days together; money in KRW, times in ms. `violations` is empty where everything held."""

    seed: int
    days: int
    kills: int
    kills_by_target: dict[str, int]
    kills_with_open_pair: int
    faults: dict[str, int]
    fenced: int
    entries_lost: int
    pairs_closed: int
    trips: int
    doubled_orders: int
    lost_fills: int
    net_position_shares: int
    realised_pnl_krw: int
    account_cash_change_krw: int
    stranded: tuple[str, ...]
    strandings: int
    neutral_ms_p50: int
    neutral_ms_max: int
    to_rest_s_max: int
    days_not_compared: int
    """Days that ended before our books were compared with the account once more."""
    orders_unknown: int
    max_orders_in_any_second: int
    max_queries_in_any_second: int
    latches: dict[str, int]
    violations: tuple[str, ...]
    provisional: tuple[str, ...] = ()
    """What the figures rest on that is only computed, because it is not published yet; a sentence each."""
    folder: str
    """Where days are kept: those that were not clean, or all on request; empty if none is."""

    @property
    def is_clean(self) -> bool:
        return not self.violations


def report_of(
    days: Sequence[ChaosDayReport], seed: int, folder: str, provisional: Sequence[str] = ()
) -> ChaosReport:
    """Add up the days."""
    verdicts = [day.verdict for day in days]
    faults: Counter[str] = Counter()
    latches: Counter[str] = Counter()
    for day in days:
        faults.update(day.faults)
        latches.update(day.verdict.latches)
    killed = {
        name.partition(":")[2]: count
        for name, count in sorted(faults.items())
        if name.startswith(f"{FaultKind.KILL}:")
    }
    neutral_ms = sorted(ms for verdict in verdicts for ms in verdict.neutral_ms)
    return ChaosReport(
        seed=seed, days=len(days), kills=sum(killed.values()), kills_by_target=killed,
        kills_with_open_pair=sum(day.kills_with_open_pair for day in days),
        faults=dict(sorted(faults.items())), fenced=sum(day.fenced for day in days),
        entries_lost=sum(day.entries_lost for day in days),
        pairs_closed=sum(v.pairs_closed for v in verdicts), trips=sum(v.trips for v in verdicts),
        doubled_orders=sum(v.doubled_orders for v in verdicts),
        lost_fills=sum(v.lost_fills for v in verdicts),
        net_position_shares=sum(v.net_position_shares for v in verdicts),
        realised_pnl_krw=sum(v.realised_pnl_krw for v in verdicts),
        account_cash_change_krw=sum(v.account_cash_change_krw for v in verdicts),
        stranded=tuple(name for v in verdicts for name in v.stranded),
        strandings=sum(v.strandings for v in verdicts),
        neutral_ms_p50=neutral_ms[len(neutral_ms) // 2] if neutral_ms else 0,
        neutral_ms_max=max(neutral_ms, default=0),
        first_sell_wait_ms=Spread.of(wait_ms for v in verdicts for wait_ms in v.first_sell_waits_ms),
        entries_denied_late=sum(v.entries_denied_late for v in verdicts),
        unhedged_krw_s=sum(v.uncovered_krw_ms for v in verdicts) // 1_000,
        to_rest_s_max=max((day.to_rest_s for day in days), default=0),
        days_not_compared=sum(not day.account_compared for day in days),
        orders_unknown=sum(v.orders_unknown for v in verdicts),
        max_orders_in_any_second=max((v.max_orders_in_any_second for v in verdicts), default=0),
        max_queries_in_any_second=max((v.max_queries_in_any_second for v in verdicts), default=0),
        latches=dict(sorted(latches.items())),
        violations=(*_violations(days), *_nothing_traded(verdicts)),
        provisional=tuple(provisional), folder=folder,
    )  # fmt: skip


def _violations(days: Sequence[ChaosDayReport]) -> Iterator[str]:
    return (f"day {day.day}: {words}" for day in days for words in day.verdict.violations)


def _nothing_traded(verdicts: Sequence[DayVerdict]) -> Iterator[str]:
    """One day under faults may pass without a pair, a whole drill may not: it would show nothing."""
    if verdicts and not any(verdict.trips for verdict in verdicts):
        yield "no pair was traded on any day"


def report_view(report: ChaosReport) -> RenderableType:
    """Return the report as a person reads it."""
    title = f"{report.kills} kills in {report.days} simulated days (seed {report.seed})"
    return report_page(title, _rows(report), [*_verdict(report), *provisional_lines(report.provisional)])


def _rows(r: ChaosReport) -> list[tuple[str, str]]:
    return [
        ("killed", f"{counted(r.kills_by_target)}; {r.kills_with_open_pair} with an open pair"),
        ("faults", counted(r.faults)),
        ("fenced", f"{r.fenced} instances; Redis lost {r.entries_lost} entries that had been read"),
        ("pairs", f"{r.pairs_closed} closed, {r.trips} trips; orders of unknown fate {r.orders_unknown}"),
        ("orders", f"{r.doubled_orders} doubled, fills lost {r.lost_fills}"),
        ("position", f"{r.net_position_shares} shares; stranded on the way {r.strandings}, "
                     f"at the end {len(r.stranded)}"),
        ("to neutral", f"median {krw(r.neutral_ms_p50)} ms, longest {krw(r.neutral_ms_max)} ms"),
        ("to rest", f"longest {r.to_rest_s_max} s after the last fault; {r.days_not_compared} days "
                    "ended without one more comparison with the account"),
        *prompt_rows(r),
        ("rates", f"at most {r.max_orders_in_any_second} order and {r.max_queries_in_any_second} query calls "
                  "in any second, as the broker counted"),
        ("latches", counted(r.latches)),
        ("profit", f"{signed_krw(r.realised_pnl_krw)} KRW by the services, "
                   f"{signed_krw(r.account_cash_change_krw)} KRW in the account"),
    ]  # fmt: skip


def _verdict(report: ChaosReport) -> list[Text]:
    if report.is_clean:
        kept = [Text(f"Logs, journal and books are in {report.folder}")] if report.folder else []
        return [
            Text("Nothing lost, nothing doubled, and the money agrees to the won.", style="bold green"),
            *kept,
        ]
    return [
        Text("Not clean:", style="bold red"),
        *(Text(f"  {words}", style="red") for words in report.violations),
        Text(f"Logs, journal, Redis files and books of those days are in {report.folder}"),
    ]
