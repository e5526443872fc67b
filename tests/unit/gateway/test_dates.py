"""A date whose rules are not published yet: what goes on, what live trading refuses, who is told."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.in_force import Reference
from services.contracts.measures import gateway as m
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import ReferencePublished, TradingStateChanged
from services.contracts.messages.status import GatewayStatus
from services.contracts.messages.venue_state import EntryWindowChanged
from services.contracts.terms import GatewayMode, Market, TradingDate, TradingState
from services.gateway.core import recovered
from services.gateway.effects import Effect, ReadLogin, Register
from services.gateway.facts import LoggedIn
from services.gateway.gauges import Seen, readings
from services.market.costs import CostTable
from services.market.dates import SECOND_NS, midnight_wall_ns
from services.market.files import MarketRules, load_market
from services.market.sessions import Timetable
from services.runtime.settings import config_dir
from tests.unit.gateway.desk import ACCOUNT, Desk, fresh, order, ready, reference, restarted

SHIPPED = load_market(config_dir())
DATES = ("2026-12-29", "2027-01-04", "2028-01-03")
KNOWN = "2026-12-28"
"""The last date of which costs and calendar are known."""
ROW = {"from": "2026-09-14", "through": KNOWN, "by": "Kim", "on": "2026-11-30"}


class RealServer(Desk):
    """A desk whose login is one of the real server."""

    def _do(self, effect: Effect) -> None:
        if isinstance(effect, ReadLogin):
            self.feed(LoggedIn((ACCOUNT,), "0"))
        else:
            super()._do(effect)


def confirmed(costs: bool = True, calendar: bool = True) -> MarketRules:
    """The tables with a named person under them."""
    table, timetable = SHIPPED.costs.model_dump(by_alias=True), SHIPPED.timetable.model_dump(by_alias=True)
    return replace(
        SHIPPED,
        costs=CostTable.model_validate(table | {"confirmed": [ROW] if costs else []}),
        timetable=Timetable.model_validate(timetable | {"confirmed": [ROW] if calendar else []}),
    )


def in_force(rules: MarketRules, date: str) -> Reference:
    costs = {market: rules.costs.costs_of(TradingDate(date), market) for market in Market}
    return reference().model_copy(update={"trading_date": date, "costs": costs})


def begun(date: str, rules: MarketRules = SHIPPED, mode: GatewayMode = GatewayMode.SIMULATED) -> Desk:
    """A gateway at 11:00 of a date, connected and armed."""
    settings: dict[str, Any] = {"live_account": ACCOUNT} if mode is GatewayMode.LIVE else {}
    desk = fresh(mode, **settings)
    made = RealServer if mode is GatewayMode.LIVE else Desk
    state = recovered(desk.state.but(rules=rules), [], TradingDate(date))
    desk = ready(made(state, midnight_wall_ns(TradingDate(date)) + 11 * 3600 * SECOND_NS))
    published = in_force(rules, date)
    desk.hear(ReferencePublished(reference=published, reference_hash=published.hash, by="t", reason="t"), "r")
    desk.hear(TradingStateChanged(state=TradingState.ARMED, by="t", reason="t", latches=()), "a")
    desk.run(3)
    desk.lease()
    return desk


def window(desk: Desk) -> EntryWindowChanged:
    told: EntryWindowChanged = desk.told(EntryWindowChanged)[-1]
    return told


def told_of(desk: Desk, table: str) -> list[bool]:
    alerts: list[AlertRaised] = desk.told(AlertRaised)
    return [a.resolved for a in alerts if a.code == AlertCode.TABLE_ENDS and a.facts["table"] == table]


@pytest.mark.parametrize("mode", [GatewayMode.OBSERVE, GatewayMode.SIMULATED])
@pytest.mark.parametrize("date", DATES)
def test_observing_and_simulating_go_on_and_say_that_the_date_is_provisional(
    date: str, mode: GatewayMode
) -> None:
    desk = begun(date, mode=mode)
    assert any(isinstance(effect, Register) for effect in desk.effects)
    assert window(desk).open and not window(desk).barred
    status: GatewayStatus = desk.told(GatewayStatus)[-1]
    marked = {item.subject.value for item in status.dates if item.provisional}
    assert marked == ({"costs"} if date.startswith("2026") else {"costs", "calendar"})
    assert {item.subject.value for item in status.dates} == {
        "costs", "calendar", "order codes", "eligibility",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("date", "rules", "why"),
    [
        (KNOWN, SHIPPED, "nobody has confirmed it"),
        (KNOWN, confirmed(calendar=False), "calendar: "),
        (KNOWN, confirmed(costs=False), "costs: "),
        *((date, confirmed(), "provisional") for date in DATES),
    ],
)
def test_live_takes_no_entry_without_a_confirmed_row_and_a_named_person(
    date: str, rules: MarketRules, why: str, sent: Callable[[Desk], bool]
) -> None:
    desk = begun(date, rules, GatewayMode.LIVE)
    assert (window(desk).open, window(desk).barred) == (False, True)
    assert why in window(desk).reason
    assert not sent(desk)


def test_live_takes_one_on_a_date_that_a_person_has_confirmed(sent: Callable[[Desk], bool]) -> None:
    desk = begun(KNOWN, confirmed(), GatewayMode.LIVE)
    assert window(desk).open and sent(desk)


def test_costs_in_force_count_and_not_the_gateways_own_file(sent: Callable[[Desk], bool]) -> None:
    desk = begun(KNOWN, confirmed(), GatewayMode.LIVE)
    theirs = in_force(SHIPPED, KNOWN)
    desk.hear(ReferencePublished(reference=theirs, reference_hash=theirs.hash, by="t", reason="t"), "theirs")
    desk.run(1)
    assert window(desk).barred and "costs" in window(desk).reason and not sent(desk)


def test_a_live_gateway_never_says_that_a_barred_window_is_open() -> None:
    desk = begun(KNOWN, SHIPPED, GatewayMode.LIVE)
    assert not any(message.open for message in desk.told(EntryWindowChanged))


@pytest.mark.parametrize(("date", "ending"), [("2026-11-27", False), ("2026-11-30", True)])
def test_somebody_is_told_once_from_thirty_days_before_a_table_ends(date: str, ending: bool) -> None:
    desk = begun(date)
    desk.run(5)
    assert told_of(desk, "costs.toml") == ([False] if ending else [])
    assert told_of(desk, "sessions.toml") == []
    assert told_of(restarted(desk, TradingDate(date)), "costs.toml") == []


def test_a_table_that_was_extended_is_told_too_also_after_a_restart() -> None:
    before = begun("2026-12-21")
    assert told_of(before, "costs.toml") == told_of(before, "sessions.toml") == [False]
    desk = restarted(before, TradingDate("2026-12-21"))
    longer = SHIPPED.timetable.model_copy(update={"announced_through": SHIPPED.timetable.covered_through})
    desk.state = desk.state.but(rules=replace(SHIPPED, timetable=longer))
    desk.tick()
    assert (told_of(desk, "costs.toml"), told_of(desk, "sessions.toml")) == ([], [True])


def test_the_gauges_count_down_and_go_below_nothing() -> None:
    for date, left_days in (("2026-11-27", 31), ("2026-12-29", -1)):
        desk = begun(date)
        shown = readings(Seen(desk.state, desk.now_ns, desk.now_ns), desk.now_ns)
        values = {(item.metric, *item.labels): item.value for item in shown}
        assert values[m.TABLE_LEFT, "costs.toml"] == left_days * 86_400
        assert values[m.PROVISIONAL, "costs"] == (left_days < 0)


@pytest.fixture
def sent() -> Callable[[Desk], bool]:
    """Whether an entry that nothing else stands against leaves."""

    def ask(desk: Desk) -> bool:
        before = len(desk.sends)
        desk.lease()
        desk.hear(order(desk.now_ns), f"order-{before}")
        return len(desk.sends) > before

    return ask
