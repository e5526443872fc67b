"""A stop is written before anything is looked at, and is done when each process that must obey says so."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.link import Follower, Link, Seen, open_link
from services.cli.snapshot import board_now
from services.contracts.messages.control import StopRequested, TradingStateChanged
from services.contracts.streams import ALERTS, CONTROL, PAIRS, SAID_KEY, STATUS, STOPS, key_of, state_key
from services.contracts.terms import TradingState
from tests.unit.cli.takers import Takers

CONFIG = Path(__file__).parents[3] / "config"
HALTED = TradingState.HALTED


@pytest.fixture
def link(redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Link]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARB_CONFIG_DIR", str(CONFIG))
    monkeypatch.setenv("ARB_RUNTIME_REDIS_URL", redis_url)
    opened = open_link(redis_url)
    opened.client.flushall()
    yield opened
    opened.close()


def arb(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), prog_name="arb")


def halt(*more: str) -> Result:
    return arb("halt", "--reason", "wrong prices", "--by", "kim", *more)


def stops_on(link: Link) -> list[StopRequested]:
    read = link.follow([STOPS.key]).drain()
    return [item.message for item in read if isinstance(item.message, StopRequested)]


def test_a_halt_is_not_done_while_the_gateway_is_silent(link: Link) -> None:
    """Risk's answer was enough, also while the one process that sends orders hung."""
    with Takers(link.url, "executor"):
        result = halt("--wait", "1", "--json")
    told = json.loads(result.output)
    (server,) = told["servers"]
    assert (result.exit_code, told["done"], server["silent"]) == (1, False, ["gateway", "risk"])
    assert server["taken_by"] == {"executor": "halted"}


def test_a_halt_says_of_each_process_whether_it_has_stopped(link: Link) -> None:
    with Takers(link.url, "gateway"):
        result = halt("--wait", "1")
    gateway, executor, risk = result.output.splitlines()[:3]
    assert gateway == "gateway main: halted"
    assert executor.startswith("executor: no answer") and risk.startswith("risk: no answer")
    assert result.exit_code == 1


def test_a_gateway_that_is_halted_already_answers_the_next_halt(link: Link) -> None:
    with Takers(link.url, "gateway", "executor"):
        halt("--wait", "5")
        told = json.loads(halt("--wait", "1", "--json").output)
    (server,) = told["servers"]
    assert server["taken_by"] == {"gateway main": "halted", "executor": "halted"}


def test_an_answer_to_another_stop_is_none(link: Link) -> None:
    """Somebody else's halt at the same moment is answered meanwhile."""
    word = TradingStateChanged(state=HALTED, by="lee", reason="another stop", latches=())
    follower = link.follow([STOPS.key])

    def answer_another() -> None:
        while not follower.read(50):
            pass
        link.append(word, cause="another stop", source="risk")

    threading.Thread(target=answer_another, daemon=True).start()
    (server,) = json.loads(halt("--wait", "0.5", "--json").output)["servers"]
    assert server["taken_by"] == {}
    assert [item.message for item in link.follow([STOPS.key]).drain()][-1] == word


@pytest.mark.parametrize("key", [ALERTS, PAIRS, CONTROL, STATUS])
def test_a_key_of_another_type_does_not_hold_a_halt_back(link: Link, key: object) -> None:
    link.client.set(key_of(key), "a mistake")  # type: ignore[arg-type]
    halt("--wait", "0.1")
    assert [stop.target for stop in stops_on(link)] == [HALTED]


@pytest.mark.parametrize("junk", ["no json", "[1]", '{"{arb}:control": 7}', '{"{arb}:control": "x-y"}'])
def test_positions_that_are_none_count_as_not_read(link: Link, junk: str) -> None:
    link.client.hset(state_key("executor"), "positions", junk)
    result = arb("flatten", "--reason", "r", "--by", "kim", "--wait", "0.1")
    assert result.exit_code == 1 and "executor did not answer" in result.output


def test_keys_of_another_type_blind_no_command(link: Link) -> None:
    word = TradingStateChanged(state=HALTED, by="kim", reason="wrong prices", latches=())
    link.append(word, cause="c", source="risk")
    link.client.set(state_key("executor"), "a mistake")
    assert board_now(link)[0].state is HALTED
    link.client.set(SAID_KEY, "a mistake")
    board_now(link)


def test_ctrl_c_while_a_stop_is_waited_for_says_that_it_holds(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Follower, block_ms: int = 0) -> list[Seen]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Follower, "read", interrupt)
    result = arb("disarm", "--reason", "r", "--by", "kim")
    assert result.exit_code == 130 and "the stop is written and holds" in result.stderr
    assert [stop.target for stop in stops_on(link)] == [TradingState.DISARMED]


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("", 130)])
def test_a_question_that_is_not_agreed_to_leaves_all_as_it_is(
    link: Link, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    """A closed terminal and Ctrl-C end a question alike."""
    monkeypatch.setattr("services.cli.commands_trading.may_ask", lambda: True)
    lift = ["halt", "--lift", "--reason", "r", "--by", "kim"]
    result = CliRunner().invoke(app, lift, input=answer, prog_name="arb")
    assert result.exit_code == code and "nothing was done" in result.stderr
    assert link.client.xlen(CONTROL.key) == 0
