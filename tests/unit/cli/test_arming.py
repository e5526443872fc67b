"""The preflight asks risk itself: clean means that arming works, refused that the preflight said why.

Over a real Redis and the real risk service; every other service is what it says.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.board import Board
from services.cli.link import Link, open_link
from services.cli.snapshot import board_now
from services.contracts.envelope import Message
from services.contracts.limits import JOURNAL_LAG_MS, NS_PER_S
from services.contracts.messages.control import ArmingChecked, TradingStateChanged
from services.contracts.messages.orders import AccountReported, ReconciliationCompleted
from services.contracts.messages.status import Heartbeat
from services.contracts.messages.venue_state import (
    ConnectionChanged,
    ConnectionState,
    DayFactsPublished,
    EntryWindowChanged,
)
from services.contracts.terms import TradingState
from services.market.market_clock import real_day
from services.risk.settings import RiskSettings
from services.risk.shell import risk_service
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import connect
from tests.unit.cli.builders import (
    DATE,
    detector_status,
    executor_status,
    gateway_status,
    heartbeat,
    notifier_status,
)

CONFIG = Path(__file__).parents[3] / "config"
OTHERS = ("gateway", "executor", "notifier", "detector-g1", "detector-g2")


@pytest.fixture
def link(redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Link]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARB_CONFIG_DIR", str(CONFIG))
    monkeypatch.setenv("ARB_RUNTIME_REDIS_URL", redis_url)
    opened = open_link(redis_url)
    opened.client.flushall()
    yield opened
    opened.close()


@pytest.fixture
def desk(link: Link) -> Iterator[Link]:
    """A desk that can be armed: risk in a thread of its own, the words of all others."""
    stop = threading.Event()
    bus = connect(link.url)
    service = risk_service(RiskSettings(), CONFIG, real_day(DATE), ("g1", "g2"))
    loop: ServiceLoop[Any] = ServiceLoop(service, bus, RedisClock(bus.time_ns))
    thread = threading.Thread(target=loop.run, args=(stop,), daemon=True)
    thread.start()
    board = until(link, lambda board: board.reference is not None and "risk" in board.services)
    say(link, *ready(board, link.bus.time_ns()))
    until(link, in_force_everywhere)
    yield link
    stop.set()
    thread.join(10)


def until(link: Link, holds: Callable[[Board], bool]) -> Board:
    for _ in range(200):
        board, _ = board_now(link)
        if holds(board):
            return board
        time.sleep(0.05)
    pytest.fail("risk never came so far")


def in_force_everywhere(board: Board) -> bool:
    """Risk narrows the symbols to what NXT trades, and its next heartbeat names what it computes with."""
    return board.services["risk"].beat.reference_hash == board.reference_hash and bool(board.account)


def connected(epoch: int) -> ConnectionChanged:
    return ConnectionChanged(state=ConnectionState.READY, connection_epoch=epoch, planned=True)


def ready(board: Board, now_ns: int) -> list[Message]:
    """What has to be said before arming, after risk's own first heartbeat."""
    beats = [heartbeat(name, build=board.services["risk"].beat.build_id) for name in OTHERS]
    symbols = () if board.reference is None else tuple(entry.krx_code for entry in board.reference.symbols)
    return [
        *beats, gateway_status(), executor_status(), notifier_status(), detector_status("g1"),
        detector_status("g2"), connected(1),
        DayFactsPublished(trading_date=DATE, nxt_eligible=symbols, order_warnings=(), bands={}),
        EntryWindowChanged(open=False, reason="before the open", trading_date=DATE, market_time="08:00:00",
                           closes_at_ns=now_ns),
        ReconciliationCompleted(trading_date=DATE, connection_epoch=1, differences=(), at_rest=True,
                                begun_ns=now_ns + NS_PER_S),
        AccountReported(cash_krw=100_000_000, orderable_krw=100_000_000, holdings={}, trading_date=DATE),
    ]  # fmt: skip


def say(link: Link, *messages: Message) -> None:
    for number, message in enumerate(messages):
        link.append(message, cause=f"{time.monotonic_ns()}-{number}", source="test")


def arb(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), prog_name="arb")


def preflight(wait_s: float = 10) -> tuple[int, dict[str, dict[str, Any]]]:
    result = arb("preflight", "--wait", str(wait_s), "--json")
    return result.exit_code, {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def state_of(link: Link) -> TradingState | None:
    return board_now(link)[0].state


def test_a_clean_preflight_means_that_arming_works(desk: Link) -> None:
    code, checks = preflight()
    assert code == 0, [check for check in checks.values() if not check["ok"]]
    assert "detector-g1, detector-g2" in checks["services"]["detail"]
    assert state_of(desk) is TradingState.DISARMED, "nothing changed by the question"
    armed = arb("arm", "--reason", "morning", "--by", "kim", "--wait", "10")
    assert armed.exit_code == 0 and "trading is armed" in armed.output


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        (heartbeat("executor").model_copy(update={"clock_trusted": False}), "does not trust its clock"),
        (notifier_status(journal_lag_ms=JOURNAL_LAG_MS + 1_000), "journal"),
        (
            notifier_status(longest_stream="{arb}:orders", longest_stream_entries=3_000_000),
            "{arb}:orders has 3000000 entries",
        ),
        (
            AccountReported(cash_krw=100, orderable_krw=100, holdings={}, trading_date="2026-11-20"),
            "account is of 2026-11-20",
        ),
        (connected(2), "since connection 2"),
    ],
    ids=["clock", "journal", "stream", "account", "connection"],
)
def test_what_risk_would_refuse_is_said_by_the_preflight(desk: Link, planted: Message, words: str) -> None:
    if isinstance(planted, Heartbeat):
        planted = planted.model_copy(update={"build_id": board_now(desk)[0].services["risk"].beat.build_id})
    say(desk, planted)
    code, checks = preflight()
    assert code == 1
    assert [name for name, check in checks.items() if not check["ok"]] == ["risk's word"]
    assert words in checks["risk's word"]["detail"]
    refused = arb("arm", "--reason", "morning", "--by", "kim", "--wait", "10")
    assert refused.exit_code == 1 and words in refused.output
    assert state_of(desk) is TradingState.DISARMED


def test_an_answer_to_somebody_elses_question_is_none(link: Link) -> None:
    """Nobody runs here. What another person was answered says nothing about now."""
    say(link, TradingStateChanged(state=TradingState.DISARMED, by="risk", reason="start", latches=()))
    stop = threading.Event()

    def answers_another() -> None:
        own = open_link(link.url)
        while not stop.wait(0.05):
            own.append(ArmingChecked(by="arb preflight", problems=()), cause="another request")
        own.close()

    thread = threading.Thread(target=answers_another)
    thread.start()
    code, checks = preflight(wait_s=0.4)
    stop.set()
    thread.join()
    assert code == 1 and "did not answer" in checks["risk's word"]["detail"]
