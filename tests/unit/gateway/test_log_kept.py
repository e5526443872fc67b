"""The log of intentions whose file is deleted, cut or replaced while a gateway writes it."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.orders import CommandDenied
from services.contracts.terms import Symbol, Venue
from services.gateway import intention_log
from services.gateway.control_calls import OrderPort
from services.gateway.effects import Send
from services.gateway.facts import ELSEWHERE, SendReturned, SendWithheld
from services.gateway.intention_log import IntentionLog, LogDamaged
from services.gateway.recovery import recovered, whole_log
from services.runtime.parts import changed_parts, restore

from .desk import DATE, Desk, chejan, exit_order, fresh, order, ready
from .test_failing_core import Live
from .test_failing_core import live as live
from .test_restrictions import Control, ThroughThePort

ENTRY_OF = {"P2": "000660", "P3": "005380"}


def ids(log: IntentionLog) -> list[str]:
    return [line["record"]["facts"]["order_id"] for line in IntentionLog(log.folder).read(DATE)]


def entry(pair_id: str) -> Send:
    desk = ready(fresh())
    desk.hear(
        order(desk.now_ns, order_id=f"{pair_id}.1.b.1", pair_id=pair_id, symbol=Symbol(ENTRY_OF[pair_id]))
    )
    return replace(desk.sends[-1], lease_until_mono_ns=0, leave_by_mono_ns=0)


def append(log: IntentionLog, order_id: str) -> None:
    record = {"facts": {"order_id": order_id}}
    log.append(DATE, {"k": "intent", "record": record}, sync=True)


@pytest.fixture
def log(tmp_path: Path) -> IntentionLog:
    kept = IntentionLog(tmp_path)
    for order_id in ("a", "b", "c"):
        append(kept, order_id)
    assert kept.keep(DATE) == kept.lost == ""
    return kept


def deleted(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 7)


def put_back_older(path: Path) -> None:
    first = path.read_bytes().splitlines(keepends=True)[0]
    path.unlink()
    path.write_bytes(first)


def garbage(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"\x00\x01 no log\nat all\n")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nothing"))


WHOLLY = (deleted, garbage, a_pipe, a_folder, a_dangling_link)


@pytest.mark.parametrize("befall", [emptied, cut, put_back_older, *WHOLLY])
def test_every_intention_is_in_the_file_again(log: IntentionLog, befall: Any) -> None:
    befall(log.path(DATE))
    assert str(log.path(DATE)) in log.keep(DATE)
    assert Counter(ids(log)) == Counter("abc") and log.keep(DATE) == ""
    append(log, "d")
    assert sorted(ids(log)) == ["a", "b", "c", "d"] and not log.written_twice(DATE, "d")
    assert log.lost
    assert log.path(DATE).stat().st_mode & 0o077 == 0 or befall not in WHOLLY


def test_what_another_gateway_wrote_in_the_file_that_is_there_stays_and_counts(log: IntentionLog) -> None:
    log.path(DATE).unlink()
    other = IntentionLog(log.folder)
    for order_id in ("x", "y"):
        append(other, order_id)
    log.keep(DATE)
    assert sorted(ids(log)) == ["a", "b", "c", "x", "y"]
    assert not other.keep(DATE), "the other's file is not taken from it"
    append(log, "x")
    assert log.written_twice(DATE, "x")


def test_a_gateway_that_was_paused_sends_nothing_of_what_its_successor_sent_in_another_order(
    tmp_path: Path,
) -> None:
    paused, successor = IntentionLog(tmp_path), IntentionLog(tmp_path)
    for order_id in ("x", "y"):
        append(successor, order_id)
    for order_id in ("y", "x"):
        append(paused, order_id)
        assert paused.written_twice(DATE, order_id)


@given(st.lists(st.sampled_from(["append", "other", "delete", "cut", "older", "keep"]), max_size=12))
def test_nothing_that_was_written_is_missing_once_the_file_was_looked_at(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    ours = IntentionLog(tmp_path_factory.mktemp("log"))
    written, path = [], ours.path(DATE)
    for number, step in enumerate(steps):
        if step == "append":
            append(ours, f"o{number}")
            ours.keep(DATE)
            assert not ours.written_twice(DATE, f"o{number}")
            written.append(f"o{number}")
        elif step == "other":
            other = IntentionLog(ours.folder)
            append(other, f"t{number}")
            other.close()
        elif step == "keep":
            ours.keep(DATE)
        elif path.exists() and path.stat().st_size:
            {"delete": deleted, "cut": emptied, "older": put_back_older}[step](path)
    ours.keep(DATE)
    ours.close()
    found = Counter(ids(ours)) if path.exists() else Counter[str]()
    assert all(found[order_id] == 1 for order_id in written)


def test_a_crash_while_it_is_written_anew_leaves_no_file_that_lacks_a_line(
    log: IntentionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(temporary: Path, path: Path) -> None:
        raise OSError("killed")

    log.path(DATE).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(intention_log, "_place", dies)
        with pytest.raises(OSError, match="killed"):
            log.keep(DATE)
    assert IntentionLog(log.folder).read(DATE) == []
    assert log.keep(DATE) and sorted(ids(log)) == ["a", "b", "c"], "tried again by the process that lives"


def test_a_line_whose_append_failed_is_cut_off_before_the_next(
    log: IntentionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, data: bytes) -> None:
        os.write(file, data[:5])
        raise OSError("full")

    def stuck(file: int, length: int) -> None:
        raise OSError("stuck")

    with monkeypatch.context() as patch:
        patch.setattr(intention_log, "_write_all", full)
        patch.setattr(os, "ftruncate", stuck)
        with pytest.raises(OSError, match="stuck"):
            append(log, "d")
    append(log, "e")
    assert ids(log) == ["a", "b", "c", "e"]


def through(tmp_path: Path) -> tuple[ThroughThePort, IntentionLog]:
    plain, log = fresh(), IntentionLog(tmp_path)
    desk, control = ThroughThePort(plain.state, plain.now_ns), Control()
    desk.port = OrderPort(control, log, lambda: False)  # type: ignore[arg-type]
    ready(desk)
    desk.hear(order(desk.now_ns), "buy")
    desk.answer(desk.sends[0], "0000400")
    desk.frame(**chejan(desk.sends[0], "0000400", "체결", remaining=0, cum=10, amount=1_995_000))
    return desk, log


def rung(desk: Desk) -> list[bool]:
    return [m.resolved for m in desk.told(AlertRaised) if m.code == AlertCode.LOG_LOST]


def test_what_is_held_is_sold_and_no_entry_leaves_after_the_log_was_deleted(tmp_path: Path) -> None:
    desk, log = through(tmp_path)
    log.path(DATE).unlink()
    desk.hear(exit_order(desk.now_ns, venue=Venue.KRX), "sell")
    assert desk.sends[-1].order_id == "P1.1.s.1" and "P1.1.s.1" in desk.state.working
    assert ids(log) == ["P1.1.b.1", "P1.1.s.1"]
    desk.tick(log_lost=log.lost)
    desk.lease()
    desk.hear(order(desk.now_ns, order_id="P2.1.b.1", pair_id="P2", symbol=Symbol("000660")), "entry")
    denied = desk.told(CommandDenied)[-1]
    assert denied.order_id == "P2.1.b.1" and "log" in denied.detail
    desk.tick(log_lost=log.lost)
    assert rung(desk) == [False]
    state = recovered(restore(fresh().state, changed_parts(None, desk.state)), log.read(DATE), DATE)
    again = ready(Desk(state, desk.now_ns))
    again.lease()
    again.hear(order(again.now_ns, order_id="P3.1.b.1", pair_id="P3", symbol=Symbol("005380")), "next")
    assert rung(again) == [True] and again.sends[-1].order_id == "P3.1.b.1"


def test_an_entry_that_finds_the_log_gone_is_withheld_and_a_sell_is_not(tmp_path: Path) -> None:
    log, control = IntentionLog(tmp_path), Control()
    port = OrderPort(control, log, lambda: False, lambda: 1)  # type: ignore[arg-type]
    append(log, "a")
    log.path(DATE).unlink()
    held = replace(entry("P2"), lease_until_mono_ns=2)
    assert port.send(held) == SendWithheld(held.order_id, "log", logged=True)
    assert isinstance(port.send(entry("P3")), SendReturned)
    assert [call[0] for call in control.calls] == ["P3.1.b.1"]


def test_no_order_leaves_while_the_log_cannot_be_written_anew_and_that_is_told(tmp_path: Path) -> None:
    desk, log = through(tmp_path)

    def away(path: Path, day: Any) -> None:
        raise OSError("the disk is gone")

    log._write_anew = away  # type: ignore[method-assign]
    log.path(DATE).unlink()
    desk.hear(exit_order(desk.now_ns, venue=Venue.KRX), "sell")
    assert desk.told(CommandDenied)[-1].reason == "log_failed"
    desk.tick(log_kept=False)
    desk.tick(log_kept=True)
    told = [m.resolved for m in desk.told(AlertRaised) if m.code == AlertCode.LOG_UNWRITTEN]
    assert told == [False, True]


def test_a_second_gateway_that_wrote_the_same_order_into_the_new_file_is_seen(tmp_path: Path) -> None:
    log, control, send = IntentionLog(tmp_path), Control(), entry("P2")
    append(log, "a")
    log.path(DATE).unlink()
    append(IntentionLog(tmp_path), send.order_id)
    port = OrderPort(control, log, lambda: False)  # type: ignore[arg-type]
    assert port.send(send) == SendWithheld(send.order_id, ELSEWHERE, logged=False)


def test_a_process_whose_log_lacks_what_was_stored_as_written_does_not_start(tmp_path: Path) -> None:
    desk, log = through(tmp_path)
    stored = restore(fresh().state, changed_parts(None, desk.state))
    lines = log.read(DATE)
    assert whole_log(stored, lines, DATE, "log") == stored
    with pytest.raises(LogDamaged, match="LOST_LOG_OF=2026-11-23"):
        whole_log(stored, [], DATE, "log")
    word = stored.but(settings=stored.settings.model_copy(update={"lost_log_of": DATE}))
    assert whole_log(word, [], DATE, "log").logged_intents == 0
    assert whole_log(stored.but(trading_date="2026-11-20"), [], DATE, "log").logged_intents == 0


def test_the_shell_looks_at_the_file_and_the_core_hears_of_it(live: Live, tmp_path: Path) -> None:
    log = IntentionLog(tmp_path)
    live.shell._intentions = log
    append(log, "a")
    live.run(1)
    assert rung_live(live, AlertCode.LOG_LOST) == rung_live(live, AlertCode.LOG_UNWRITTEN) == []
    log.path(DATE).unlink()
    log.folder.rename(tmp_path.with_name("away"))
    tmp_path.write_text("no folder")
    live.run(1)
    assert rung_live(live, AlertCode.LOG_UNWRITTEN) == [False]
    tmp_path.unlink()
    live.run(1)
    assert rung_live(live, AlertCode.LOG_UNWRITTEN) == [False, True]
    assert rung_live(live, AlertCode.LOG_LOST) == [False] and ids(log) == ["a"]


def rung_live(live: Live, code: AlertCode) -> list[bool]:
    return [m.resolved for m in live.told(AlertRaised) if m.code == code]
