"""What a silent service said last is not how things are: words, JSON and exit code call it unknown."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.board import STALE_NS, Board, seen
from services.cli.board_view import render
from services.cli.link import Link, open_link
from services.cli.silence import known, silences
from services.cli.top_pages import screen
from services.cli.top_view import Page, View
from services.contracts.envelope import Envelope, Message
from services.contracts.in_force import Reference
from services.contracts.limits import NS_PER_S
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.pairs import ResidualMarked, StrandReason
from services.contracts.streams import PAIRS, STATUS, home_of, key_of
from services.contracts.terms import TradingState
from services.contracts.trading_limits import TradingLimits
from services.market.files import load_market, load_symbol_map
from services.runtime.bus import Write
from tests.unit.cli.builders import (
    DATE,
    NOW_NS,
    SAMSUNG,
    approved,
    closed,
    detector_status,
    envelope,
    executor_status,
    gateway_status,
    heartbeat,
    notifier_status,
    open_pair,
    risk_status,
    spread,
)

CONFIG = Path(__file__).parents[3] / "config"
LATER_NS = NOW_NS + 80 * NS_PER_S
SERVICES = ("gateway", "risk", "executor", "notifier", "detector-g1")


def words_of(service: str) -> tuple[Message, ...]:
    status: Message = {
        "gateway": gateway_status(), "risk": risk_status(), "executor": executor_status(open_pair()),
        "notifier": notifier_status(), "detector-g1": detector_status("g1", spread(SAMSUNG)),
    }[service]  # fmt: skip
    return heartbeat(service), status


def board_without(silent: str = "") -> Board:
    """A board on which one service said its last words long ago."""
    board = Board()
    for name in SERVICES:
        for message in words_of(name):
            board = seen(board, envelope(message, NOW_NS if name == silent else LATER_NS))
    return board


def text_of(board: Board, page: Page | None = None) -> str:
    console = Console(width=100, height=40, color_system=None, force_terminal=True, highlight=False)
    whole = render(known(board, LATER_NS), LATER_NS)
    shown = whole if page is None else screen(console, board, View(page=page), LATER_NS, "", "")
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_silent_service_said_is_unknown_and_named(service: str) -> None:
    assert not silences(board_without(), LATER_NS)
    board = board_without(service)
    (silence,) = silences(board, LATER_NS)
    assert silence.service == service and silence.age_ms == 80_000 and "for 80 s" in silence.words
    assert silence.last == words_of(service)[1]
    left = known(board, LATER_NS)
    said = left.detectors.get("g1") if service == "detector-g1" else getattr(left, service)
    assert said is None


def test_the_state_over_a_dead_risk_is_unknown_in_words() -> None:
    bar = text_of(board_without("risk")).splitlines()[0]
    assert "UNKNOWN" in bar and "risk has said nothing for 80 s" in bar and "last: armed" in bar
    assert "ARMED" in text_of(board_without()).splitlines()[0]


@pytest.mark.parametrize("page", [None, Page.PAIRS])
def test_open_pairs_of_a_dead_executor_are_unknown_and_what_was_open_is_named(page: Page | None) -> None:
    text = text_of(board_without("executor"), page)
    assert "unknown: the executor has said nothing for 80 s" in text and "P1" in text
    assert "unknown" not in text_of(board_without(), page)


@pytest.mark.parametrize("page", [None, *Page])
def test_an_empty_board_answers_none_to_nothing(page: Page | None) -> None:
    text = text_of(Board(), page)
    assert "UNKNOWN risk has not been heard" in text.splitlines()[0]
    assert not [
        line for line in text.splitlines() if line.strip() in ("none", "nothing yet", "no quotes yet")
    ]


def test_without_the_notifier_others_may_be_open() -> None:
    for page in (None, Page.ALERTS):
        assert "the notifier has said nothing for 80 s: others may be open" in text_of(
            board_without("notifier"), page
        )


def test_each_detector_that_the_symbols_need_is_required() -> None:
    board = seen(board_without(), envelope(published(), LATER_NS))
    assert [item.words for item in silences(board, LATER_NS)] == ["detector-g2 has not been heard"]


def test_a_pair_that_was_opened_again_after_its_close_is_shown() -> None:
    board = seen(Board(), envelope(closed("P1")))
    for message in (executor_status(open_pair("P1")), heartbeat("executor")):
        board = seen(board, envelope(message, LATER_NS))
    assert "P1" in text_of(board).split("open pairs")[1].splitlines()[2]


def test_an_approval_that_is_told_again_after_its_close_opens_nothing() -> None:
    """Redis lost it with its tail, and risk told it again when the executor had ended the pair."""
    board = seen(seen(Board(), envelope(closed("P1"))), envelope(approved("P1"), LATER_NS))
    assert board.open_pairs == {}
    assert seen(board, envelope(approved("P2"), LATER_NS)).open_pairs.keys() == {"P2"}


# -- the commands, over a Redis --------------------------------------------------------------


def published() -> ReferencePublished:
    rules = load_market(CONFIG)
    reference = Reference(
        trading_date=DATE, symbols=load_symbol_map(CONFIG, ("g1", "g2")), limits=TradingLimits(),
        costs=rules.costs_by_market(DATE),
    )  # fmt: skip
    return ReferencePublished(reference=reference, reference_hash=reference.hash, by="risk", reason="start")


@pytest.fixture
def link(redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Link]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARB_RUNTIME_REDIS_URL", redis_url)
    opened = open_link(redis_url)
    opened.client.flushall()
    yield opened
    opened.close()


def tell(link: Link, *messages: Message, age_s: int = 0) -> None:
    now_ns = link.bus.time_ns() - age_s * NS_PER_S
    wrapped = [
        Envelope.wrap(message, source="test", now_ns=now_ns, causation_id=f"{age_s}-{number}")
        for number, message in enumerate(messages)
    ]
    link.bus.append([Write(key_of(home_of(type(each.body))), each) for each in wrapped])


def arb(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), prog_name="arb")


@pytest.fixture
def dead_executor(link: Link) -> None:
    """It died with one pair open and one stranded, and a thousand entries ago."""
    mark = ResidualMarked(
        pair_id="P2", symbol=SAMSUNG, qty_shares=5, cost_krw=350_000, reason=StrandReason.LOSS_BOUND,
        detail="low",
    )  # fmt: skip
    said = executor_status(open_pair("P1"), stranded=(open_pair("P2", "stranded"),))
    tell(link, mark, heartbeat("executor"), said, age_s=80)
    junk = link.client.pipeline(transaction=False)
    for key in (STATUS, PAIRS):
        for _ in range(1_001):
            junk.xadd(key_of(key), {"m": b"junk"})
    junk.execute()
    tell(link, *(message for name in SERVICES if name != "executor" for message in words_of(name)))


def test_status_of_a_dead_executor_is_unknown_in_every_form(link: Link, dead_executor: None) -> None:
    shown = arb("status")
    assert shown.exit_code == 1 and "P1" in shown.stdout and "P2" in shown.stdout
    assert "unknown: the executor has said nothing" in shown.stdout
    assert "the executor has said nothing" in shown.stderr
    found: dict[str, Any] = json.loads(arb("status", "--json").stdout)
    assert found["executor"] is None and set(found["unknown"]) == {"executor"}
    assert found["unknown"]["executor"]["age_ms"] >= 80_000
    assert found["unknown"]["executor"]["last"]["pairs"][0]["pair_id"] == "P1"
    assert found["state"] == "armed"


def test_stranded_positions_of_a_dead_executor_are_named_and_called_unknown(
    link: Link, dead_executor: None
) -> None:
    listed = arb("residual", "list")
    assert listed.exit_code == 1 and "P2" in listed.stdout
    assert "what is stranded now is not known" in listed.stderr
    found = json.loads(arb("residual", "list", "--json").stdout)
    assert not found["known"] and [row["pair_id"] for row in found["positions"]] == ["P2"]
    told = arb("flatten", "--reason", "out", "--wait", "0.1")
    assert "What is held now is not known" in told.stdout and "P1" in told.stdout


def test_all_is_known_where_everybody_speaks(link: Link) -> None:
    tell(link, *(message for name in SERVICES for message in words_of(name)))
    assert arb("status").exit_code == 0
    listed = arb("residual", "list")
    assert listed.exit_code == 0 and listed.stdout == "No stranded position.\n"


def test_a_dead_risk_has_no_state_no_latches_and_nothing_in_force(link: Link) -> None:
    tell(link, risk_status(state=TradingState.ARMED), published(), age_s=80)
    found = json.loads(arb("status", "--json").stdout)
    assert found["state"] is None and found["latches"] is None and found["risk"] is None
    for command in (("limits", "show"), ("symbols", "show")):
        shown = arb(*command)
        assert shown.exit_code == 1 and "risk has said nothing" in shown.stderr
        assert json.loads(arb(*command, "--json").stdout)


@pytest.mark.parametrize(
    "command", [("status",), ("residual", "list"), ("dead", "list"), ("ack", "--all"), ("preflight",)]
)
def test_over_a_redis_where_nobody_spoke_nothing_is_known(link: Link, command: tuple[str, ...]) -> None:
    result = arb(*command)
    assert result.exit_code == 1, result.output
    assert "No stranded" not in result.output and "No open alert" not in result.output


def test_the_bound_is_five_heartbeats() -> None:
    board = board_without()
    assert not silences(board, LATER_NS + STALE_NS)
    assert len(silences(board, LATER_NS + STALE_NS + 1)) == len(SERVICES)
