"""How well the trading date is known, and what follows: entries barred, somebody told before a table ends.

The gateway goes by its own tables, but for the costs: those in force count, as risk published them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.contracts.alert_codes import AlertCode
from services.contracts.dated import DateFinding, DateSubject
from services.contracts.in_force import Reference
from services.contracts.messages.alerts import Fact
from services.contracts.terms import Severity, Symbol, TradingDate
from services.gateway.state import DateView, GatewayState
from services.gateway.turn import Turn
from services.market.dated import WARNED_DAYS, Costs, days_left, findings, known_through
from services.market.errors import NotCovered


@dataclass(frozen=True, slots=True)
class TableEnd:
    """How many days a dated table lasts from the trading date on; negative past its end."""

    through: TradingDate
    days: int


def look(turn: Turn) -> None:
    """Judge the date again where something that it is judged by has changed."""
    state = turn.state
    date = state.clock.trading_date_at(turn.now_ns)
    view = state.dates
    eligible = state.facts.nxt_eligible if state.facts.read else None
    judged_by = (date, state.rules, state.reference, eligible)
    if (view.date, view.rules, view.reference, view.nxt_eligible) == judged_by:
        return
    found = _findings(state, date, eligible)
    turn.set(
        dates=DateView(*judged_by, found),
        session=state.session.barred_by("; ".join(_bars(found, state))),
    )
    _tell(turn, date)


def table_ends(state: GatewayState) -> Mapping[str, TableEnd]:
    """When each dated table ends, by its file, seen from the trading date; empty before there is one."""
    if not state.dates.date:
        return {}
    known = known_through(state.rules, _costs(state.reference, state.dates.date))
    return {file: TableEnd(end, days_left(end, state.dates.date)) for file, end in known.items()}


def _findings(
    state: GatewayState, date: TradingDate, eligible: frozenset[Symbol] | None
) -> tuple[DateFinding, ...]:
    reference = state.reference
    symbols = () if reference is None else reference.symbols
    try:
        return findings(state.rules, date, symbols, _costs(reference, date), eligible)
    except NotCovered:  # the session desk bars such a date and says why
        return ()


def _costs(reference: Reference | None, date: TradingDate) -> Costs | None:
    """The costs in force, where they are those of the date."""
    return reference.costs if reference is not None and reference.trading_date == date else None


def _bars(found: tuple[DateFinding, ...], state: GatewayState) -> list[str]:
    """Missing order codes are no part of it: risk hears of them with the day's facts."""
    bars = (item for item in found if item.bars(state.settings.mode))
    return [item.sentence for item in bars if item.subject is not DateSubject.ORDER_CODES]


def _tell(turn: Turn, date: TradingDate) -> None:
    """Tell once of each table that ends within `WARNED_DAYS`, and once that it was extended."""
    state = turn.state
    ends = table_ends(state)
    ending = frozenset(file for file, end in ends.items() if end.days <= WARNED_DAYS)
    for file in sorted(ending ^ state.tables_told):
        facts: dict[str, Fact] = {"table": file, "through": ends[file].through}
        code, over = AlertCode.TABLE_ENDS, file not in ending
        turn.alert(f"table-{file}", code, Severity.WARNING, facts, resolved=over)
    if ending != state.tables_told:
        turn.set(tables_told=ending)
