"""The board is the newest of what services say, and shows who fell silent."""

from rich.console import Console

from services.cli.board import STALE_NS, Board, seen
from services.cli.board_view import render
from services.cli.wording import Tone
from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import AlertAcknowledged, LatchCleared, LatchSet, TradingStateChanged
from services.contracts.messages.pairs import ResidualMarked, StrandReason
from services.contracts.messages.status import NotifierStatus
from services.contracts.messages.venue_state import ConfirmedBy, SessionPhaseChanged
from services.contracts.terms import Latch, SessionPhase, Severity, TradingState, Venue
from services.risk.alerts import state_changed
from tests.unit.cli.builders import (
    DATE,
    HYNIX,
    NOW_NS,
    SAMSUNG,
    alert,
    approved,
    closed,
    detector_status,
    envelope,
    executor_status,
    gateway_status,
    heartbeat,
    open_pair,
    risk_status,
    spread,
)


def board_of(*messages: Message, at_ns: int = NOW_NS) -> Board:
    board = Board()
    for message in messages:
        board = seen(board, envelope(message, at_ns))
    return board


def screen(board: Board, now_ns: int = NOW_NS, height: int = 40) -> str:
    console = Console(width=80, color_system=None, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(render(board, now_ns, height=height))
    return capture.get()


def test_a_service_is_alive_until_it_falls_silent() -> None:
    board = board_of(heartbeat("risk"))
    assert board.alive("risk", NOW_NS + STALE_NS)
    assert not board.alive("risk", NOW_NS + STALE_NS + 1)
    assert not board.alive("executor", NOW_NS)


def test_the_newer_heartbeat_replaces_the_older() -> None:
    board = seen(
        board_of(heartbeat("risk", build="old")), envelope(heartbeat("risk", build="new"), NOW_NS + 1)
    )
    assert board.services["risk"].beat.build_id == "new"
    assert board.builds(NOW_NS) == {"new"}


def test_builds_of_silent_services_do_not_count() -> None:
    board = seen(board_of(heartbeat("gone", build="old")), envelope(heartbeat("risk"), NOW_NS + 2 * STALE_NS))
    assert board.builds(NOW_NS + 2 * STALE_NS) == {"build1"}


def test_spreads_of_all_groups_come_best_first() -> None:
    board = board_of(
        detector_status("g1", spread(SAMSUNG, 3), spread(SAMSUNG, -4)),
        detector_status("g2", spread(HYNIX, 9)),
    )
    assert [item.net_edge_bps for item in board.best_spreads(2)] == [9, 3]


def test_a_pair_is_open_from_approval_to_close() -> None:
    board = board_of(approved("P1"), approved("P2"))
    assert set(board.open_pairs) == {"P1", "P2"}
    assert set(board_of(approved("P1"), approved("P2"), closed("P1")).open_pairs) == {"P2"}


def test_a_stranded_position_stays_until_its_pair_is_closed() -> None:
    mark = ResidualMarked(
        pair_id="P1", symbol=SAMSUNG, qty_shares=1, cost_krw=70_000, reason=StrandReason.NO_VENUE, detail=""
    )
    assert set(board_of(approved(), mark).stranded) == {"P1"}
    assert not board_of(approved(), mark, closed("P1")).stranded


def test_an_alert_lasts_until_it_is_over_or_acknowledged() -> None:
    assert [a.alert_id for a in board_of(alert("A1"), alert("A2")).open_alerts()] == ["A1", "A2"]
    assert not board_of(alert("A1"), alert("A1", resolved=True)).open_alerts()
    assert not board_of(alert("A1"), AlertAcknowledged(alert_id="A1", by="kim")).open_alerts()


def test_the_screen_says_who_has_an_alert() -> None:
    status = NotifierStatus(
        journal_lines=0, journal_lag_ms=0, alerts=1, delivered=1, failed=0, unacknowledged=(),
        acknowledged={"residual-1": "kim"},
    )  # fmt: skip
    assert "acknowledged: residual-1 (kim)" in screen(board_of(status))


def test_latches_follow_both_the_stream_and_the_report_of_risk() -> None:
    raised = LatchSet(latch=Latch.CLOCKS, detail="20 ms apart")
    assert board_of(raised).latches == {Latch.CLOCKS}
    assert not board_of(raised, LatchCleared(latch=Latch.CLOCKS, by="kim", reason="mended")).latches
    assert board_of(risk_status(latches=(Latch.CLOCKS,))).latches == {Latch.CLOCKS}


def test_the_state_is_what_risk_says_last() -> None:
    halted = TradingStateChanged(state=TradingState.HALTED, by="kim", reason="x", latches=())
    assert board_of().state is None
    assert board_of(halted).state is TradingState.HALTED
    assert board_of(halted, risk_status(state=TradingState.ARMED)).state is TradingState.ARMED


def test_a_phase_change_shows_before_the_next_status() -> None:
    change = SessionPhaseChanged(
        venue=Venue.NXT, phase=SessionPhase.PAUSE, trading_date=DATE, market_time="08:50:00",
        confirmed_by=ConfirmedBy.FID215,
    )  # fmt: skip
    assert board_of(gateway_status(), change).phases[Venue.NXT] is SessionPhase.PAUSE


def test_old_events_make_room_for_new_ones() -> None:
    board = board_of(*(closed(f"P{number}") for number in range(200)))
    assert len(board.events) == 50
    assert len(board.closed) == 50


def test_the_screen_fits_80_columns_and_names_what_matters() -> None:
    board = board_of(
        heartbeat("gateway"), heartbeat("risk"), gateway_status(), executor_status(open_pair()),
        risk_status(latches=(Latch.CLOCKS,), gates=("The feed of NXT is silent.",)),
        detector_status("g1", spread(SAMSUNG, 5)), alert("A1"), approved(), closed("P2"),
    )  # fmt: skip
    text = screen(board)
    assert max(len(line) for line in text.splitlines()) <= 80
    for words in ("ARMED", "LATCH clocks", "+1,234 KRW", "005930", "70,300", "selling", "A1", "feed of NXT"):
        assert words in text


def test_a_low_terminal_still_shows_spreads_and_events() -> None:
    board = board_of(
        *(heartbeat(name) for name in ("gateway", "risk", "executor", "notifier", "detector-g1")),
        gateway_status(), risk_status(), detector_status("g1", *(spread(SAMSUNG, n) for n in range(20))),
        *(closed(f"P{n}") for n in range(20)), alert("quiet", severity=Severity.INFO, title="small talk"),
    )  # fmt: skip
    text = screen(board, height=24)
    assert len(text.splitlines()) <= 24
    assert text.count("005930 Samsung") >= 3
    assert text.count("pair 005930 closed") >= 3
    assert "small talk" not in text


def test_a_pair_that_closed_since_the_last_status_is_not_shown_as_open() -> None:
    text = screen(board_of(executor_status(open_pair("P1"), open_pair("P2")), closed("P1")))
    assert "P2" in text
    assert "P1" not in text


def test_confirmations_and_the_end_of_untold_troubles_are_no_events() -> None:
    board = board_of(alert("A1", severity=Severity.INFO), alert("A2", resolved=True))
    assert not board.events
    told = board_of(alert("A3"), alert("A3", resolved=True))
    assert [event.text for event in told.events] == [
        "warning: NXT is silent",
        "warning: NXT is silent (over)",
    ]


def test_a_residual_is_told_once_but_one_that_needs_a_person_as_an_alert_too() -> None:
    assert not board_of(alert("A1", kind=AlertKind.RESIDUAL)).events
    assert board_of(alert("A1", kind=AlertKind.RESIDUAL, severity=Severity.CRITICAL)).events


def test_a_compressed_day_is_shown_in_its_own_time() -> None:
    console = Console(width=80, color_system=None, highlight=False)
    board = board_of(gateway_status(), closed("P1"))
    with console.capture() as capture:
        console.print(render(board, NOW_NS, clock=lambda at_ns: "14:15:16"))
    assert capture.get().count("14:15:16") == 2


def test_money_lost_and_money_earned_differ_in_tone() -> None:
    board = board_of(closed("P1"), closed("P2", realised_pnl_krw=-5), closed("P3", trip=False))
    assert [event.tone for event in board.events] == [Tone.GAIN, Tone.LOSS, Tone.QUIET]


def test_the_screen_says_who_is_silent() -> None:
    text = screen(board_of(heartbeat("risk"), heartbeat("gateway")), NOW_NS + 40 * NS_PER_S)
    assert "risk SILENT 40 s" in text


def test_an_empty_screen_claims_nothing() -> None:
    text = screen(Board())
    assert "UNKNOWN" in text
    assert "no service has been heard" in text
    assert "entries unknown" in text
    assert "none" not in text


def test_an_alert_of_a_former_trading_state_is_over_with_the_next() -> None:
    def lowered(cause: str, old: TradingState, new: TradingState) -> AlertRaised:
        return state_changed(cause, old, new, "kim", "why")

    board = board_of(
        lowered("a", TradingState.ARMED, TradingState.PAUSE_ENTRY), alert("other"),
        lowered("b", TradingState.PAUSE_ENTRY, TradingState.HALTED),
    )  # fmt: skip
    assert [each.alert_id for each in board.open_alerts()] == ["other", "state-b"]
    board = seen(board, envelope(lowered("c", TradingState.HALTED, TradingState.ARMED)))
    shown = [each.alert_id for each in board.open_alerts() if each.severity is not Severity.INFO]
    assert shown == ["other"]
