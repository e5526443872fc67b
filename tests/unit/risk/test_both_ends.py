"""Every latch and every gate: one way to arise, one to end, and an alert that ends with it."""

from collections.abc import Callable, Mapping

import pytest

from services.contracts.envelope import Message
from services.contracts.limits import JOURNAL_LAG_MS, LOSSLESS_ALARM
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import LatchCleared, LatchClearRequested, LatchSet
from services.contracts.messages.orders import OrderUnknown
from services.contracts.messages.pairs import PairApproved, PairDenied, ResidualMarked, StrandReason
from services.contracts.messages.status import NotifierStatus
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.reasons import DenialReason
from services.contracts.terms import Latch, OrderKind, Severity, Side, TradingState, Venue
from services.risk.gates import GateKey, arming_obstacles, closed_gates
from tests.unit.cli.builders import gateway_status
from tests.unit.detector import world
from tests.unit.detector.world import SAMSUNG, ms
from tests.unit.risk import desk as d
from tests.unit.risk.desk import Desk, armed, closed, facts, filled, heartbeat, intent, of

LOOSE = {"max_daily_loss_krw": 10**9, "max_pair_loss_krw": 10**9, "max_drawdown_krw": 10**9,
         "max_losing_pairs_in_a_row": 100}  # fmt: skip


def pair_of(desk: Desk, name: str = "i1") -> str:
    pair = desk.answer(intent(desk, name=name))
    assert isinstance(pair, PairApproved)
    return pair.pair_id


def trip(desk: Desk, sold_krw: int, name: str = "i1") -> None:
    """One pair of five shares, bought for 350,000 KRW and sold for `sold_krw`."""
    pair_id = pair_of(desk, name)
    desk.tell(filled(facts(pair_id, Side.BUY, 5, 350_000)), filled(facts(pair_id, Side.SELL, 5, sold_krw)))
    desk.tell(closed(pair_id))


def desk_with(**limits: int) -> Desk:
    return armed(world.limits(**{**LOOSE, "max_unknowns_per_minute": 1, **limits}))


def disconnected() -> Desk:
    desk = desk_with()
    desk.tell(world.connection(ConnectionState.DISCONNECTED))
    return desk


def erring() -> Desk:
    desk = desk_with()
    pair_id = pair_of(desk)
    for number in range(2):
        order = facts(pair_id, Side.BUY, 5, 350_000, order_id=f"{pair_id}.1.b.{number}", closed=False,
                      cum_qty_shares=0, cum_amount_krw=0)  # fmt: skip
        desk.tell(OrderUnknown(facts=order, reason="no answer"))
    return desk


def lost(**limits: int) -> Desk:
    desk = desk_with(**limits)
    trip(desk, 300_000)
    return desk


def fallen() -> Desk:
    desk = desk_with(max_drawdown_krw=10_000, max_pairs_per_symbol_window=10)
    trip(desk, 400_000)
    desk.tick(d.NOW)
    trip(desk, 340_000, "second")
    return desk


def holding() -> Desk:
    desk = desk_with(max_unhedged_krw=352_000)
    pair_id = pair_of(desk)
    desk.tell(filled(facts(pair_id, Side.BUY, 5, 352_500)))
    return desk


def stranded() -> Desk:
    desk = desk_with()
    pair_id = pair_of(desk)
    desk.tell(
        ResidualMarked(
            pair_id=pair_id, symbol=SAMSUNG, qty_shares=2, cost_krw=140_000, reason=StrandReason.NO_VENUE,
            detail="halted",
        )
    )  # fmt: skip
    return desk


def differing() -> Desk:
    desk = desk_with()
    desk.tell(d.reconciled(1, "one share too many"))
    return desk


def beating(**said: object) -> Callable[[], Desk]:
    def desk_beating() -> Desk:
        desk = desk_with()
        desk.tell(heartbeat("executor", **said))
        return desk

    return desk_beating


HOW_IT_ARISES: Mapping[Latch, Callable[[], Desk]] = {
    Latch.UNPLANNED_DISCONNECT: disconnected,
    Latch.REPEATED_ERRORS: erring,
    Latch.CUMULATIVE_LOSS: lambda: lost(max_daily_loss_krw=40_000),
    Latch.PAIR_LOSS: lambda: lost(max_pair_loss_krw=40_000),
    Latch.LOSING_STREAK: lambda: lost(max_losing_pairs_in_a_row=1),
    Latch.DRAWDOWN: fallen,
    Latch.UNHEDGED: holding,
    Latch.RESIDUAL_STRANDED: stranded,
    Latch.RECONCILIATION_DIFFERENCE: differing,
    Latch.CLOCKS: beating(clock_offset_us=900_000),
    Latch.MIXED_BUILDS: beating(build_id="b2"),
}
LASTS = {
    Latch.REPEATED_ERRORS, Latch.CUMULATIVE_LOSS, Latch.UNHEDGED, Latch.CLOCKS, Latch.MIXED_BUILDS
}  # fmt: skip
"""Their cause still holds in these desks: lifted, they are set again at once."""


def test_every_latch_is_here() -> None:
    assert set(HOW_IT_ARISES) == set(Latch)


@pytest.mark.parametrize("latch", Latch)
def test_a_latch_arises_from_its_cause_alone_and_ends_with_a_person_and_so_does_its_alert(
    latch: Latch,
) -> None:
    desk = HOW_IT_ARISES[latch]()
    desk.tick(d.NOW)
    assert [said.latch for said in of(desk.said, LatchSet)] == [latch]
    assert desk.state.trading.state is TradingState.REDUCE_ONLY
    (told,) = [a for a in of(desk.said, AlertRaised) if a.alert_id == f"latch-{latch}"]
    assert told.severity is Severity.CRITICAL and not told.resolved
    answer = desk.tell(LatchClearRequested(latch=latch, by="kim", reason="looked"))
    assert [said.latch for said in of(answer, LatchCleared)] == [latch]
    assert [(a.alert_id, a.resolved) for a in of(answer, AlertRaised)] == [(told.alert_id, True)]
    again = [said.latch for said in of(desk.tick(d.NOW + 100), LatchSet)]
    assert again == ([latch] if latch in LASTS else [])
    assert desk.state.trading.state is TradingState.REDUCE_ONLY, "lifting arms nothing"


# -- gates -----------------------------------------------------------------------------------


def journal(lag_ms: int = 0, entries: int = 0) -> NotifierStatus:
    return NotifierStatus(
        journal_lines=1, journal_lag_ms=lag_ms, alerts=0, delivered=0, failed=0, unacknowledged=(),
        longest_stream="{arb}:orders", longest_stream_entries=entries,
    )  # fmt: skip


Told = Callable[[], Message]
BOTH_ENDS: Mapping[GateKey, tuple[Told, Told]] = {
    GateKey.DAY: (
        lambda: d.files(trading_date="2026-11-20"), d.files,
    ),
    GateKey.CONNECTION: (
        lambda: world.connection(ConnectionState.CONNECTING), lambda: world.connection(),
    ),
    GateKey.HALT_FILE: (
        lambda: gateway_status(halt_file="supervisor"), gateway_status,
    ),
    GateKey.RECONCILIATION: (
        lambda: world.connection(epoch=2), lambda: d.reconciled(2),
    ),
    GateKey.ACCOUNT: (
        lambda: d.account(trading_date="2026-11-20"), d.account,
    ),
    GateKey.IN_FORCE: (
        lambda: heartbeat("executor", reference_hash="another"), lambda: heartbeat("executor"),
    ),
    GateKey.CLOCK: (
        lambda: heartbeat("executor", clock_trusted=False), lambda: heartbeat("executor"),
    ),
    GateKey.JOURNAL: (
        lambda: journal(lag_ms=JOURNAL_LAG_MS + 1), journal,
    ),
    GateKey.STREAMS: (
        lambda: journal(entries=2 * LOSSLESS_ALARM), journal,
    ),
    GateKey.WINDOW: (
        lambda: world.window(is_open=False), world.window,
    ),
    GateKey.FEED: (
        lambda: world.feed(Venue.NXT, alive=False), lambda: world.feed(Venue.NXT),
    ),
}  # fmt: skip
ELSEWHERE = {GateKey.REFERENCE, GateKey.HEARTBEAT, GateKey.BUILDS}
"""No reference is a start only; silence and mixed builds are in test_trading_state."""


def test_every_gate_is_here() -> None:
    assert set(BOTH_ENDS) | ELSEWHERE == set(GateKey)


@pytest.mark.parametrize("key", BOTH_ENDS)
def test_a_gate_closes_and_opens_by_itself_and_its_alert_ends(key: GateKey) -> None:
    close, reopen = BOTH_ENDS[key]
    desk = armed()
    assert closed_gates(desk.state, ms(d.NOW)) == ()
    desk.tell(close())
    assert [gate.key for gate in closed_gates(desk.state, ms(d.NOW))] == [key]
    told = [alert for at_ms in (1_100, 2_200) for alert in of(desk.tick(at_ms), AlertRaised)]
    desk.tell(reopen(), at_ms=2_300)
    assert closed_gates(desk.state, ms(2_300)) == ()
    over = of(desk.tick(3_300), AlertRaised)
    named = [f"gate-{key}"] if key.told_by_risk else []
    assert [(a.alert_id, a.resolved) for a in told] == [(alert_id, False) for alert_id in named]
    assert [(a.alert_id, a.resolved) for a in over] == [(alert_id, True) for alert_id in named]
    assert desk.state.trading.state is TradingState.ARMED


def test_a_session_without_order_codes_keeps_the_desk_from_arming() -> None:
    desk = d.ready()
    sentence = "KRX trades in after_market on 2026-11-23, but hoga.toml enables no limit order there"
    desk.tell(world.facts(sessions_without_codes=(sentence,)))
    assert arming_obstacles(desk.state, ms(d.NOW)) == (f"{sentence}.",)
    desk.tell(world.facts())
    assert arming_obstacles(desk.state, ms(d.NOW)) == ()


@pytest.mark.parametrize("kinds", [(), None, (OrderKind.MARKET,)])
def test_a_venue_that_takes_no_limit_order_gets_no_pair(kinds: tuple[OrderKind, ...] | None) -> None:
    desk = armed()
    desk.tell(world.phase(Venue.NXT).model_copy(update={"order_kinds": kinds}))
    verdict = desk.answer(intent(desk))
    assert isinstance(verdict, PairDenied)
    assert verdict.reason is DenialReason.WINDOW_CLOSED
