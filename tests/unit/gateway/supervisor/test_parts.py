"""The timetable, the dialog rules as shipped, exit codes in words, last lines, and what is refused."""

import datetime as dt
import json
from pathlib import Path

import pytest

from services.gateway.supervisor import ending
from services.gateway.supervisor.dialogs import Action, rule_for
from services.gateway.supervisor.log_tail import as_text, last_lines
from services.gateway.supervisor.looks import Window
from services.gateway.supervisor.settings import SupervisorSettings
from services.gateway.supervisor.timetable import resting
from services.market.dates import KST
from services.market.files import load_market
from services.market.market_clock import REAL_TIME
from services.runtime.settings import SettingsError, config_dir, load_settings

from .machine import settings

DAY = dt.date(2026, 11, 23)


def wall_ns(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=KST).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("moment", "rests"),
    [
        ("2026-11-23T07:04:59", True),
        ("2026-11-23T07:05:00", False),
        ("2026-11-23T20:29:59", False),
        ("2026-11-23T20:30:00", True),
        ("2026-11-23T05:00:00", True),
        ("2026-11-22T11:00:00", True),  # a Sunday
    ],
)
def test_it_rests_at_night_and_on_days_without_trading(moment: str, rests: bool) -> None:
    shipped = load_settings(SupervisorSettings)
    assert resting(shipped, load_market(config_dir()), REAL_TIME, wall_ns(moment)) is rests


def test_equal_times_never_rest() -> None:
    never = settings(rest_from=dt.time(0), rest_to=dt.time(0))
    assert not resting(never, load_market(config_dir()), REAL_TIME, wall_ns("2026-11-22T03:00:00"))


@pytest.mark.parametrize(
    ("window", "action"),
    [
        (Window(1, "안녕하세요. 키움증권 입니다.", "매일 시스템 점검을 하고 있습니다."), Action.CLOSE),
        (Window(1, "KHOpenAPI", "통신 연결이 끊겼습니다. 프로그램 종료후 재접속"), Action.CLOSE),
        (Window(1, "KHOpenAPI", "투자경고 종목입니다. 주문하시겠습니까?"), Action.PERSON),
        (Window(1, "[HTS 재접속 안내]", ""), Action.CLOSE),
        (Window(1, "opstarter", "버전 처리를 받으시려면 현재 실행중인"), Action.PERSON),
        (Window(1, "", ""), Action.PERSON),
    ],
)
def test_the_rules_as_shipped(window: Window, action: Action) -> None:
    assert rule_for(window, load_settings(SupervisorSettings).dialogs, DAY).action is action


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MEMORY_SOFT_MB", "3000"),
        ("STALE_S", '{"quote": 3}'),
        ("STALE_S", '{"book": -1}'),
        ("HANG_CONNECTING_S", "5"),
        ("DIALOGS", '[{"since": "2026-01-01", "action": "close", "note": "any"}]'),
        ("COMMAND", "[]"),
    ],
)
def test_what_contradicts_is_refused(key: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ARB_SUPERVISOR_{key}", value)
    with pytest.raises(SettingsError, match="supervisor"):
        load_settings(SupervisorSettings)


def test_every_exit_code_has_words() -> None:
    codes = [None, *range(-70, 300), 3221225477, -1073741819, 2**32 - 1]
    assert all(ending.words(code) for code in codes)
    assert ending.words(-9) == "it was ended by SIGKILL"
    assert ending.words(-1073741819) == ending.words(3221225477) == "it crashed (c0000005)"


def test_last_lines_are_read_as_people_do(tmp_path: Path) -> None:
    log, out = tmp_path / "gateway.log", tmp_path / "gateway.out"
    line = {"ts": "2026-11-23T01:02:03.000Z", "level": "error", "service": "gateway", "event": "core failed"}
    log.write_text("torn\n" + json.dumps({**line, "fact": "Clocked"}) + "\n" + "x" * 9_000 + "\n")
    lines = last_lines((log, out), 2)
    assert lines[0] == "01:02:03 error core failed fact=Clocked"
    assert len(lines) == 2 and all(len(line) <= 240 for line in lines)
    assert len(as_text(["y" * 240] * 100)) <= 2_401
