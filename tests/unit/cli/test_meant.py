"""A command that stops loosens nothing by the way, and one that was confirmed writes onto what was shown."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from services.cli.board import Board
from services.contracts.envelope import Message
from services.contracts.messages.control import StopRequested, TradingStateChanged, TradingStateRequested
from services.contracts.terms import TradingState
from tests.unit.cli.test_commands import CONFIG, arb

TRADING = "services.cli.commands_trading"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Requests that a command would write, on a disarmed desk and without a terminal."""
    found: list[Message] = []

    def ask(link: Any, message: Message, wait_s: float) -> None:
        found.append(message)
        raise SystemExit(0)

    monkeypatch.setattr(f"{TRADING}.open_desk", lambda *_: None)
    monkeypatch.setattr(f"{TRADING}.board_now", lambda link: (board(TradingState.DISARMED), 0))
    monkeypatch.setattr(f"{TRADING}.ask", ask)
    monkeypatch.setattr(f"{TRADING}.ask_stop", ask, raising=False)
    return found


def board(state: TradingState) -> Board:
    return Board(trading=TradingStateChanged(state=state, by="kim", reason="t", latches=()))


@pytest.mark.parametrize("command", ["pause", "reduce"])
@pytest.mark.parametrize("flags", [(), ("--yes",)])
def test_a_script_that_stops_does_not_loosen_a_disarmed_desk(
    asked: list[Message], command: str, flags: tuple[str, ...]
) -> None:
    refused = arb(command, "--reason", "stop", "--by", "cron", *flags)
    assert refused.exit_code == 2 and asked == []
    assert "stricter" in refused.stderr and "--loosen" in refused.stderr


@pytest.mark.parametrize("command", ["pause", "reduce"])
def test_a_script_that_means_it_loosens(asked: list[Message], command: str) -> None:
    arb(command, "--loosen", "--reason", "sell", "--by", "cron")
    assert [type(message) for message in asked] == [TradingStateRequested]


@pytest.mark.parametrize("command", ["pause", "reduce"])
def test_a_script_stops_an_armed_desk_as_ever(
    asked: list[Message], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(f"{TRADING}.board_now", lambda link: (board(TradingState.ARMED), 0))
    arb(command, "--reason", "stop", "--by", "cron")
    assert [type(message) for message in asked] == [StopRequested]


def test_an_import_writes_onto_what_was_shown_or_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    monkeypatch.setenv("ARB_CONFIG_DIR", str(config))
    target = config / "symbol_map.csv"
    lines = target.read_text().splitlines()
    target.write_text("\n".join(lines[:-1]) + "\n")
    questions: list[str] = []

    def confirm(question: str) -> bool:
        """Say yes to the first; somebody switches a share off meanwhile."""
        questions.append(question)
        if len(questions) == 1:
            target.write_text(target.read_text().replace("true", "false", 1))
        return len(questions) == 1

    monkeypatch.setattr("services.cli.commands_reference.typer.confirm", confirm)
    shown = arb("symbols", "import").output
    assert len(questions) == 2 and "false" in target.read_text()
    assert "changed meanwhile" in shown and "false" in shown.split("changed meanwhile")[1]
