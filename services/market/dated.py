"""How well a trading date is known: its costs, its calendar, the order codes, what NXT trades.

The one function behind `arb doctor --date`, `arb preflight`, `arb observe`, the reports and the gateway's
own bar against live entries, so that all of them say the same in the same words.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from services.contracts.dated import DateFinding, DateSubject, Standing
from services.contracts.reference import Checked, SymbolEntry, TradeCosts
from services.contracts.terms import Market, Symbol, TradingDate
from services.market.dates import parse_trading_date
from services.market.files import COSTS_FILE, HOGA_FILE, SESSIONS_FILE, MarketRules
from services.market.sessions import DayKind, DaySchedule

WARNED_DAYS: Final = 30
"""From so many days before a table ends somebody is told."""
_KIND_WORDS: Final = {
    DayKind.NORMAL: "a normal day",
    DayKind.LATE_OPEN: "the first trading day of a year, with its late open",
    DayKind.EXAM_SHIFT: "an exam day, with its shifted hours",
    DayKind.CUSTOM: "a day with hours of its own",
}
_EXTEND: Final = {
    COSTS_FILE: f"Read the tax bill of that year, add rows to {COSTS_FILE} and move covered_through on",
    SESSIONS_FILE: "Hold the dates against the exchange's notice, list them in "
    f"{SESSIONS_FILE} and move announced_through on",
}

Costs = Mapping[Market, TradeCosts]


def findings(
    rules: MarketRules,
    trading_date: TradingDate,
    symbols: Sequence[SymbolEntry] = (),
    costs: Costs | None = None,
    nxt_eligible: AbstractSet[Symbol] | None = None,
) -> tuple[DateFinding, ...]:
    """What is known of a date, one finding a subject.

    `costs` are those in force, by default the table's own; `nxt_eligible` is what the broker named on that
    date, None before it did. Raises NotCovered before the tables and ValueError for a misspelt date.
    """
    day = rules.timetable.day(trading_date)
    in_force = rules.costs_by_market(trading_date) if costs is None else costs
    return (
        _costs(trading_date, _checked(in_force)),
        _calendar(rules, day),
        _codes(rules, trading_date),
        _eligibility(trading_date, symbols, nxt_eligible),
    )


def days_left(through: TradingDate, trading_date: TradingDate) -> int:
    """How many days a table that is known `through` a date lasts from another one on; negative past it."""
    return (parse_trading_date(through) - parse_trading_date(trading_date)).days


def known_through(rules: MarketRules, costs: Costs | None = None) -> dict[str, TradingDate]:
    """The last date that each dated table knows, by its file."""
    checked = None if costs is None else _checked(costs)
    known = str(rules.costs.covered_through) if checked is None else checked.through
    return {
        COSTS_FILE: TradingDate(known),
        SESSIONS_FILE: TradingDate(str(rules.timetable.known_through)),
    }


def _checked(costs: Costs) -> Checked | None:
    """How well costs are known: those of all markets come from one table."""
    return next((item.checked for item in costs.values()), None)


def _costs(date: TradingDate, checked: Checked | None) -> DateFinding:
    return _of_table(DateSubject.COSTS, COSTS_FILE, date, "the tax and commission of that date", checked)


def _calendar(rules: MarketRules, day: DaySchedule) -> DateFinding:
    date = day.trading_date
    if day.kind is DayKind.CLOSED:
        what = f"closed, the next trading day is {rules.timetable.next_trading_day(date)}"
    else:
        what = _KIND_WORDS[day.kind]
    return _of_table(DateSubject.CALENDAR, SESSIONS_FILE, date, what, day.checked)


def _of_table(
    subject: DateSubject, file: str, date: TradingDate, what: str, checked: Checked | None
) -> DateFinding:
    """A subject that a dated table answers for."""
    if checked is not None and date > checked.through:
        return DateFinding(
            subject=subject,
            standing=Standing.PROVISIONAL,
            detail=f"{date} is provisional: {file} knows the rules through {checked.through}, and what "
            f"follows from the last known ones is {what}",
            mend=f"{_EXTEND[file]}, then confirm it there with your name.",
        )
    if checked is None or not checked.by:
        return DateFinding(
            subject=subject,
            standing=Standing.UNCONFIRMED,
            detail=f"{date}: {what}, by {file}; nobody has confirmed it, as live trading needs",
            mend=f"Hold {file} against the published rules and add a [[confirmed]] row with your name.",
        )
    said = f"{date}: {what}, by {file}; confirmed by {checked.by} on {checked.on}"
    return DateFinding(subject=subject, standing=Standing.CONFIRMED, detail=said)


def _codes(rules: MarketRules, date: TradingDate) -> DateFinding:
    missing = rules.sessions_without_codes(date)
    if not missing:
        said = f"{date}: {HOGA_FILE} has a code for every session of common trading"
        return DateFinding(subject=DateSubject.ORDER_CODES, standing=Standing.CONFIRMED, detail=said)
    return DateFinding(
        subject=DateSubject.ORDER_CODES, standing=Standing.MISSING, detail=f"{date}: {'; '.join(missing)}",
        mend=f"Enter the order codes in {HOGA_FILE}, or disable the session in {SESSIONS_FILE}.",
    )  # fmt: skip


def _eligibility(
    date: TradingDate, symbols: Sequence[SymbolEntry], eligible: AbstractSet[Symbol] | None
) -> DateFinding:
    enabled = [entry.krx_code for entry in symbols if entry.enabled]
    if eligible is None:
        said = f"{date}: which of the {len(enabled)} enabled shares NXT trades, the broker names on the day"
        return DateFinding(subject=DateSubject.ELIGIBILITY, standing=Standing.PENDING, detail=said)
    traded = sum(code in eligible for code in enabled)
    said = f"{date}: NXT trades {traded} of the {len(enabled)} enabled shares, by the broker's own list"
    standing = Standing.CONFIRMED if traded else Standing.PENDING
    return DateFinding(subject=DateSubject.ELIGIBILITY, standing=standing, detail=said)
