"""What is in force: from files, from people, from the day's facts; a bad refresh changes nothing."""

import os
from pathlib import Path

import fakeredis
import pytest

from services.contracts.envelope import Message, decode
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import (
    LimitChangeRefused,
    LimitChangeRequested,
    ReferencePublished,
    ReferenceReloadRequested,
)
from services.contracts.messages.pairs import PairApproved, PairDenied
from services.contracts.messages.venue_state import DayFactsPublished
from services.contracts.reasons import DenialReason
from services.contracts.streams import ALERTS, CONTROL, VENUE
from services.contracts.terms import Market, Symbol, TradingDate, Venue
from services.contracts.trading_limits import limits_text
from services.market.market_clock import real_day
from services.risk.files import FilesWatch
from services.risk.observed import FilesRead, FilesRefused
from services.risk.reference_data import on_files
from services.risk.settings import RiskSettings
from services.risk.shell import risk_service
from services.risk.state import ReloadAsked, RiskState
from services.risk.status import status_of
from services.runtime.bus import Write
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.parts import changed_parts, restore
from services.runtime.redis_bus import RedisBus
from tests.unit.detector import world
from tests.unit.detector.world import DATE, HYNIX, SAMSUNG
from tests.unit.risk import desk as d
from tests.unit.risk.desk import Desk, armed, files, of, ready

SHIPPED = Path(__file__).parents[3] / "config"


def change(name: str, value: str) -> LimitChangeRequested:
    return LimitChangeRequested(name=name, value=value, by="kim", reason="grow")


def publications(messages: list[Message]) -> list[ReferencePublished]:
    return of(messages, ReferencePublished)


# -- publishing ------------------------------------------------------------------------------


def test_files_are_published_when_they_differ_from_what_is_in_force() -> None:
    desk = Desk()
    (first,) = publications(desk.tell(files()))
    assert first.reference_hash == first.reference.hash == desk.state.reference_hash
    assert publications(desk.tell(files())) == []
    (second,) = publications(desk.tell(files(world.limits(clip_shares=2))))
    assert second.reference_hash != first.reference_hash


def test_a_person_who_asks_for_a_reload_is_answered_even_if_nothing_changed() -> None:
    desk = Desk()
    desk.tell(files(), ReferenceReloadRequested(by="kim", reason="new map"))
    assert desk.state.reload is not None
    (answer,) = publications(desk.tell(files(by="kim", reason="new map", asked=True)))
    assert (answer.by, answer.reason) == ("kim", "new map")
    assert desk.state.reload is None


def test_a_bad_refresh_keeps_what_is_in_force_and_names_the_line() -> None:
    desk = ready()
    before = desk.state.reference
    bad = FilesRefused(
        trading_date=DATE, problems=("symbol_map.csv, line 7: market 'X' is unknown",), by="risk"
    )
    (alert,) = of(desk.tell(bad), AlertRaised)
    assert alert.kind is AlertKind.REFERENCE and "line 7" in alert.detail
    assert desk.state.reference is before
    (over,) = of(desk.tell(files()), AlertRaised)
    assert (over.alert_id, over.resolved) == (alert.alert_id, True)


def test_files_that_were_mended_while_risk_was_away_end_the_alert() -> None:
    desk = ready()
    desk.tell(FilesRefused(trading_date=DATE, problems=("limits.toml: what is this",), by="risk"))
    again = Desk(restore(RiskState(), changed_parts(None, desk.state)))
    (over,) = of(again.tell(files()), AlertRaised)
    assert (over.alert_id, over.resolved) == ("reference-files", True)


def test_symbols_that_nxt_does_not_trade_today_are_off_and_named_once() -> None:
    desk = ready()
    said = desk.tell(world.facts(symbols=(SAMSUNG, world.OTHER_GROUP)))
    (published,) = publications(said)
    assert published.reference.entry(HYNIX) is None
    assert published.reference.entry(SAMSUNG) is not None
    (alert,) = of(said, AlertRaised)
    assert HYNIX in alert.detail and SAMSUNG not in alert.detail
    assert desk.tell(world.facts(symbols=(SAMSUNG, world.OTHER_GROUP))) == []
    (back,) = publications(desk.tell(world.facts()))
    assert back.reference.entry(HYNIX) is not None


def test_a_symbol_that_leaves_the_list_in_the_day_gets_no_pair_and_keeps_the_one_it_has() -> None:
    desk = armed()
    pair = desk.answer(d.intent(desk))
    assert isinstance(pair, PairApproved)
    desk.tell(world.facts(symbols=(HYNIX, world.OTHER_GROUP)))
    assert pair.pair_id in desk.state.pairs
    later = desk.answer(d.intent(desk, name="later"))
    assert isinstance(later, PairDenied)
    assert later.reason is DenialReason.NOT_ELIGIBLE


FUND = Symbol("069500")


def fund_map(market: Market = Market.ETF) -> FilesRead:
    entry = world.entry(FUND).model_copy(update={"market": market})
    return files().model_copy(update={"symbols": (*world.SYMBOLS, entry)})


def listed(funds: tuple[Symbol, ...] | None) -> DayFactsPublished:
    return world.facts(symbols=(SAMSUNG, HYNIX, world.OTHER_GROUP, FUND), funds=funds)


@pytest.mark.parametrize(
    ("market", "funds", "why"),
    [
        (Market.KOSPI, (FUND,), "the broker lists it as a fund, symbol_map.csv as KOSPI"),
        (Market.ETF, (), "the broker lists it as no fund, symbol_map.csv as ETF"),
        (Market.ETF, None, "the broker has not said whether it is a fund"),
    ],
)
def test_a_symbol_whose_kind_the_broker_denies_is_off(
    market: Market, funds: tuple[Symbol, ...] | None, why: str
) -> None:
    desk = Desk()
    said = desk.tell(listed(funds), fund_map(market))
    assert desk.state.reference is not None and desk.state.reference.entry(FUND) is None
    (alert,) = of(said, AlertRaised)
    assert f"({FUND}): {why}" in alert.detail


@pytest.mark.parametrize(
    ("market", "funds"), [(Market.ETF, (FUND,)), (Market.KOSPI, ()), (Market.KOSPI, None)]
)
def test_a_symbol_whose_kind_agrees_is_traded(market: Market, funds: tuple[Symbol, ...] | None) -> None:
    desk = Desk()
    desk.tell(listed(funds), fund_map(market))
    assert desk.state.reference is not None and desk.state.reference.entry(FUND) is not None


def test_a_fund_is_off_while_its_market_is_switched_off() -> None:
    desk = Desk()
    off = fund_map().model_copy(update={"funds_closed": "funds are switched off"})
    said = desk.tell(listed((FUND,)), off)
    assert desk.state.reference is not None and desk.state.reference.entry(FUND) is None
    (alert,) = of(said, AlertRaised)
    assert f"({FUND}): funds are switched off" in alert.detail
    assert desk.state.reference.ticks_of(FUND, Venue.KRX) is not None, "what is held is sold"


def test_a_fund_whose_ticks_are_not_known_is_off() -> None:
    desk = Desk()
    shares_only = {market: costs for market, costs in world.costs().items() if not market.is_fund}
    said = desk.tell(listed((FUND,)), fund_map().model_copy(update={"costs": shares_only}))
    (alert,) = of(said, AlertRaised)
    assert f"({FUND}): the ticks of ETF are not known" in alert.detail


def test_the_shipped_files_keep_funds_off(folder: Path) -> None:
    (read,) = watch_on(folder)(RiskState(), world.ms(0))
    assert isinstance(read, FilesRead)
    assert "funds on NXT" in read.funds_closed


def test_facts_of_another_date_take_no_symbol_off() -> None:
    desk = Desk()
    desk.tell(files(), world.facts(symbols=(), trading_date="2026-11-20"))
    assert desk.state.reference is not None and desk.state.reference.entry(SAMSUNG) is not None


# -- limits by hand ----------------------------------------------------------------------------


def test_a_changed_limit_is_in_force_and_named_with_its_author() -> None:
    desk = ready()
    (published,) = publications(desk.tell(change("max_pair_shares", "4")))
    assert published.reference.limits.max_pair_shares == 4
    assert published.by == "kim" and "max_pair_shares = 4" in published.reason


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("clip_shares", "51", "50"),
        ("clip_shares", "many", "integer"),
        ("clip_shares", "6", "max_pair_shares"),
        ("max_open_pairs", "5", "4"),
        ("max_loss", "1", "max_daily_loss_krw"),
        ("buffer_rule", "none", "max(cost+1bp,1tick)"),
    ],
)
def test_a_limit_out_of_its_bounds_is_refused_with_the_reason(name: str, value: str, word: str) -> None:
    desk = ready()
    before = desk.state.reference_hash
    (refused,) = of(desk.tell(change(name, value)), LimitChangeRefused)
    assert word in refused.problem
    assert desk.state.reference_hash == before


def test_a_limit_by_hand_outlives_a_reload_until_the_file_says_something_else() -> None:
    desk = ready()
    desk.tell(change("max_pair_shares", "4"), files(symbols=world.SYMBOLS[:1]))
    assert desk.state.reference is not None and desk.state.reference.limits.max_pair_shares == 4
    said = desk.tell(files(world.limits(max_pair_shares=3)))
    assert desk.state.reference.limits.max_pair_shares == 3
    assert any("max_pair_shares" in alert.detail for alert in of(said, AlertRaised))
    assert desk.state.overrides == {}


def test_an_intent_made_under_the_limits_before_is_denied_as_stale() -> None:
    desk = armed()
    asked = d.intent(desk)
    desk.tell(change("max_open_pairs", "1"))
    verdict = desk.answer(asked)
    assert getattr(verdict, "reason", None) == "stale_reference"


# -- the files themselves ----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("limits.toml", "threshold.toml", "symbol_map.csv", "costs.toml", "instruments.toml"):
        (tmp_path / name).write_bytes((SHIPPED / name).read_bytes())
    return tmp_path


def watch_on(folder: Path) -> FilesWatch:
    return FilesWatch(folder, ("g1", "g2"), lambda now_ns: DATE, 100)


def touched(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000_000))


def test_the_shipped_files_can_be_used(folder: Path) -> None:
    (read,) = watch_on(folder)(RiskState(), world.ms(0))
    assert isinstance(read, FilesRead)
    assert read.trading_date == DATE
    assert len(read.symbols) > 1
    assert read.costs[Market.KOSPI].sell_tax_krw(1_000_000) == 2_000


def test_files_are_read_once_for_each_change(folder: Path) -> None:
    watch = watch_on(folder)
    (first,) = watch(RiskState(), world.ms(0))
    assert isinstance(first, FilesRead)
    state = RiskState(files=first)
    assert list(watch(state, world.ms(1_000))) == []
    touched(folder / "limits.toml", limits_text(world.limits(clip_shares=3)))
    assert list(watch(state, world.ms(1_050))) == [], "not looked at again so soon"
    (read,) = watch(state, world.ms(1_200))
    assert isinstance(read, FilesRead) and read.limits.clip_shares == 3
    table = (folder / "threshold.toml").read_text(encoding="utf-8")
    touched(folder / "threshold.toml", table.replace("floor_krw = ", "floor_krw = 9"))
    (read,) = watch(RiskState(files=read), world.ms(1_400))
    assert isinstance(read, FilesRead) and str(read.threshold.default.floor_krw).startswith("9")


def test_files_that_the_state_forgot_are_read_again(folder: Path) -> None:
    watch = watch_on(folder)
    assert len(watch(RiskState(), world.ms(0))) == 1
    assert len(watch(RiskState(), world.ms(1_000))) == 1, "Redis lost what was said"


def test_a_request_is_served_once_and_at_once(folder: Path) -> None:
    watch = watch_on(folder)
    watch(RiskState(), world.ms(0))
    asked = RiskState(reload=ReloadAsked("kim", "new map", "c1"))
    (read,) = watch(asked, world.ms(1))
    assert isinstance(read, FilesRead) and (read.by, read.asked) == ("kim", True)
    assert list(watch(asked, world.ms(2))) == []


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("limits.toml", "clip_shares = 99\n", ("limits.toml", "clip_shares")),
        ("limits.toml", "clip_share = 1\n", ("limits.toml", "clip_share", "unknown")),
        ("limits.toml", "clip_shares = \n", ("limits.toml", "line 1")),
        ("symbol_map.csv", "KRX_code,name\n", ("symbol_map.csv", "line 1")),
        ("costs.toml", "covered_from = 2023-01-02\n", ("costs.toml", "covered_through")),
        ("threshold.toml", "", ("threshold.toml", "default", "missing")),
        (
            "threshold.toml",
            "[default]\nask_moved_last.miss_rate = 15\n",
            ("ask_moved_last.miss_rate", "0.15"),
        ),
        ("threshold.toml", "[default]\nmiss_rate = 0.15\n", ("default", "bid_moved_last", "min_cross_ms")),
        ("threshold.toml", "[default]\nfloor_krw = true\n", ("threshold.toml", "default.floor_krw")),
        ("threshold.toml", "[symbol.5930]\nloss_bps = 3\n", ("threshold.toml", "'5930'", "[symbol.005930]")),
        ("threshold.toml", "[symbol.005930]\nloss_bp = 3\n", ("symbol.005930.loss_bp", "unknown")),
    ],
)
def test_what_is_wrong_with_a_file_is_named(
    folder: Path, name: str, text: str, words: tuple[str, ...]
) -> None:
    touched(folder / name, text)
    (refused,) = watch_on(folder)(RiskState(), world.ms(0))
    assert isinstance(refused, FilesRefused)
    assert all(any(word in problem for problem in refused.problems) for word in words)


def test_a_missing_file_and_a_date_before_the_costs_are_refused(folder: Path) -> None:
    (folder / "limits.toml").unlink()
    (refused,) = watch_on(folder)(RiskState(), world.ms(0))
    assert isinstance(refused, FilesRefused) and "limits.toml" in refused.problems[0]
    (folder / "limits.toml").write_text(limits_text(world.LIMITS), encoding="utf-8")
    early = FilesWatch(folder, ("g1", "g2"), lambda now_ns: TradingDate("2021-01-04"), 100)
    (refused,) = early(RiskState(), world.ms(0))
    assert isinstance(refused, FilesRefused) and "2021-01-04" in refused.problems[0]


def test_past_the_costs_table_the_last_known_ones_are_in_force_and_marked(folder: Path) -> None:
    later = FilesWatch(folder, ("g1", "g2"), lambda now_ns: TradingDate("2028-01-03"), 100)
    (read,) = later(RiskState(), world.ms(0))
    assert isinstance(read, FilesRead)
    step = on_files(RiskState(), read, "cause")
    assert step.state.reference is not None and step.state.reference.provisional
    assert status_of(step.state, ()).provisional
    assert not status_of(RiskState(), ()).provisional


# -- the whole service on a bus --------------------------------------------------------------------


def test_a_service_publishes_at_start_keeps_it_over_a_bad_file_and_says_nothing_new_after_a_restart(
    folder: Path,
) -> None:
    client = fakeredis.FakeRedis()
    bus = RedisBus(client)

    def loop() -> ServiceLoop[RiskState]:
        service = risk_service(RiskSettings(files_poll_ms=100), folder, real_day(DATE), ("g1", "g2"))
        return ServiceLoop(service, bus, RedisClock(bus.time_ns))

    def published() -> int:
        return sum(isinstance(decode(e.text).body, ReferencePublished) for e in bus.tail(CONTROL.key, 100))

    first = loop()
    first.turn()
    in_force = first.state.reference_hash
    assert in_force and published() == 1
    touched(folder / "symbol_map.csv", "nonsense\n")
    second = loop()
    second.turn()
    assert second.state.reference_hash == in_force and published() == 1
    alert = decode(bus.tail(ALERTS.key, 1)[0].text).body
    assert isinstance(alert, AlertRaised) and "symbol_map.csv" in alert.detail
    event = world.received(world.facts(symbols=(SAMSUNG,)), bus.time_ns())
    bus.append([Write(VENUE.key, event.envelope)])
    second.turn()
    assert published() == 2
    assert second.state.reference is not None and second.state.reference.entry(HYNIX) is None


# -- a symbol that leaves the map ---------------------------------------------------------------


def smaller() -> FilesRead:
    return files(symbols=tuple(entry for entry in files().symbols if entry.krx_code != SAMSUNG))


def holding() -> tuple[Desk, str]:
    desk = armed()
    approved = desk.answer(d.intent(desk))
    assert isinstance(approved, PairApproved)
    return desk, approved.pair_id


def test_a_held_symbol_that_left_the_map_is_told_before_it_is_published_switched_off() -> None:
    desk, _ = holding()
    said = desk.tell(smaller())
    kinds = [type(message) for message in said]
    assert kinds.index(AlertRaised) < kinds.index(ReferencePublished)
    (alert,), (published,) = of(said, AlertRaised), publications(said)
    assert (alert.code, alert.symbol, alert.resolved) == ("symbol_kept", SAMSUNG, False)
    entry = published.reference.listed(SAMSUNG)
    assert entry is not None and not entry.enabled
    assert any(SAMSUNG in note for note in published.notes)
    assert desk.tell(smaller()) == [], "told once"


def test_it_stays_over_a_restart_and_leaves_once_nothing_is_held() -> None:
    desk, pair_id = holding()
    desk.tell(smaller())
    again = Desk(restore(RiskState(), changed_parts(None, desk.state)))
    assert publications(again.tell(smaller())) == []
    assert again.state.reference is not None and again.state.reference.listed(SAMSUNG) is not None
    again.tell(d.closed(pair_id))
    said = again.tell(smaller())
    (published,) = publications(said)
    assert published.reference.listed(SAMSUNG) is None and published.notes == ()
    assert [(alert.code, alert.resolved) for alert in of(said, AlertRaised)] == [("symbol_kept", True)]


def test_a_line_that_comes_back_ends_it_with_the_symbol_on() -> None:
    desk, _ = holding()
    desk.tell(smaller())
    said = desk.tell(files())
    assert [alert.resolved for alert in of(said, AlertRaised)] == [True]
    assert publications(said)[0].reference.entry(SAMSUNG) is not None


def test_a_symbol_that_nobody_holds_leaves_the_map_at_once() -> None:
    desk = armed()
    said = desk.tell(smaller())
    assert of(said, AlertRaised) == []
    assert publications(said)[0].reference.listed(SAMSUNG) is None


def test_a_held_symbol_keeps_the_costs_of_its_market() -> None:
    desk, _ = holding()
    market = files().symbols[0].market
    costs = {name: value for name, value in files().costs.items() if name is not market}
    desk.tell(files(costs=costs))
    assert desk.state.reference is not None
    assert desk.state.reference.exit_costs_of(SAMSUNG) == files().costs[market]


def test_what_of_the_files_waits_is_said_at_each_reload() -> None:
    desk = armed()
    looser = files(world.limits(clip_shares=world.LIMITS.clip_shares + 1))
    desk.tell(looser)
    (answer,) = publications(desk.tell(looser.model_copy(update={"asked": True})))
    assert any("clip_shares" in note for note in answer.notes)
