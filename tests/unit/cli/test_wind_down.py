"""What `arb down` learns before it ends anything, from services that answer its stop or do not."""

import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from click.testing import Result
from typer.testing import CliRunner

from services.cli import wind_down as module
from services.cli.app import app
from services.cli.stack import Program, Stack
from services.cli.wind_down import TAKERS, Trading, wind_down
from services.contracts.envelope import Envelope, Message
from services.contracts.messages.control import StopRequested, TradingStateChanged
from services.contracts.messages.status import OpenPairSeen
from services.contracts.messages.supervision import SupervisorStatus
from services.contracts.said import said_field
from services.contracts.streams import STOPS, home_of, key_of
from services.contracts.terms import TradingState
from services.runtime.bus import Write
from services.runtime.redis_bus import RedisBus
from services.runtime.standing import entry_order
from tests.unit.cli.builders import executor_status, heartbeat, open_pair, risk_status

pytestmark = pytest.mark.redis


class Answering(threading.Thread):
    """Services that take each stop in and then say how they are, as long as the block lasts."""

    def __init__(self, url: str, services: tuple[str, ...], pairs: tuple[OpenPairSeen, ...] = ()) -> None:
        super().__init__(daemon=True)
        self.bus, self.services, self.pairs = RedisBus(redis.Redis.from_url(url)), services, pairs
        self.over, self.said, self.stops = threading.Event(), 0, list[StopRequested]()
        self.epochs = {name: self.bus.take_over(name).epoch for name in services}

    def __enter__(self) -> "Answering":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()

    def run(self) -> None:
        last = ""
        while not self.over.wait(0.02):
            for entry in self.bus.tail(key_of(STOPS), 5):
                body = entry.decoded().body
                if isinstance(body, StopRequested) and entry.order > entry_order(last or "0-0"):
                    last = entry.entry_id
                    self.stops.append(body)
            for name in self.services if last else ():
                self.say(name, {STOPS.key: last})

    def say(self, name: str, positions: dict[str, str]) -> None:
        says: dict[str, tuple[Message, ...]] = {
            "executor": (executor_status(*self.pairs),),
            "risk": (
                risk_status().model_copy(update={"open_pairs": len(self.pairs)}),
                TradingStateChanged(state=TradingState.PAUSE_ENTRY, by="kim", reason="r", latches=()),
            ),
        }
        bodies = (heartbeat(name), *says.get(name, ()))
        self.bus.commit(name, self.epochs[name], {}, positions, [self.write(name, body) for body in bodies])

    def write(self, name: str, body: Message) -> Write:
        self.said += 1
        envelope = Envelope.wrap(
            body, source=name, now_ns=self.bus.time_ns(), causation_id=f"{name}-{self.said}"
        )
        return Write(key_of(home_of(type(body))), envelope)


@pytest.fixture
def url(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(module, "ANSWER_S", 1.5)
    redis.Redis.from_url(redis_url).flushall()
    yield redis_url
    redis.Redis.from_url(redis_url).flushall()


def ended(url: str, settle_s: float = 0.0) -> Trading:
    return wind_down(url, "kim", "the day is over", settle_s)


def test_trading_has_ended_where_each_has_taken_the_stop_in_and_nothing_is_open(url: str) -> None:
    with Answering(url, TAKERS) as desk:
        assert ended(url).ended
    assert {(stop.target, stop.by, stop.reason) for stop in desk.stops} == {
        (TradingState.PAUSE_ENTRY, "kim", "the day is over")
    }


def test_an_open_pair_is_waited_for(url: str) -> None:
    with Answering(url, TAKERS, (open_pair("P1"),)) as desk:
        first = ended(url)
        assert "P1" in first.open[0] and not first.unknown
        threading.Timer(0.3, lambda: setattr(desk, "pairs", ())).start()
        assert ended(url, settle_s=20).ended


@pytest.mark.parametrize("silent", TAKERS)
def test_who_is_silent_is_named(url: str, silent: str) -> None:
    with Answering(url, tuple(name for name in TAKERS if name != silent)):
        trading = ended(url)
    assert not trading.open and all(silent in words and "never" in words for words in trading.unknown)
    assert trading.unknown


def test_a_gateway_that_rests_by_night_is_no_question(url: str) -> None:
    with Answering(url, ("risk", "executor")) as desk:
        resting = SupervisorStatus(
            name="main", phase="resting", pid=0, starts=1, ends=0, pulse_age_ms=-1, memory_mb=0,
            halt="nobody", last_end="",
        )  # fmt: skip
        desk.bus.append([desk.write("supervisor", resting)])
        assert ended(url).ended


@pytest.mark.parametrize(("said_ns", "knows"), [(5, False), (15, True)], ids=["before", "after"])
def test_a_status_counts_that_was_said_after_the_stop_was_taken_in(said_ns: int, knows: bool) -> None:
    """One from between asking and taking in may not know a pair that began meanwhile."""
    state = TradingStateChanged(state=TradingState.PAUSE_ENTRY, by="kim", reason="r", latches=())
    said = {
        said_field(body): Envelope.wrap(body, source=name, now_ns=said_ns, causation_id=name)
        for name, body in (("executor", executor_status()), ("risk", risk_status()), ("risk", state))
    }
    seen = module._Seen(said, frozenset(TAKERS), dict.fromkeys(TAKERS, 10), now_ns=20)
    assert seen.trading().ended is knows


def test_the_last_words_of_a_dead_executor_count(url: str) -> None:
    with Answering(url, ("executor",), (open_pair("P1"),)) as before:
        before.say("executor", {})
    with Answering(url, ("gateway", "risk")):
        trading = ended(url)
    assert "P1" in trading.open[0] and "as the executor said" in trading.open[0]
    assert any(re.search(r"executor was last heard \d s ago", words) for words in trading.unknown)


def test_without_redis_nothing_is_known() -> None:
    (words,) = ended("redis://127.0.0.1:1").unknown
    assert "entries could not be stopped" in words


def arb(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), prog_name="arb")


def test_down_ends_nothing_with_a_pair_open_until_a_person_says_why(url: str) -> None:
    with tempfile.TemporaryDirectory(prefix="arb") as name:
        run = Path(name) / "run"
        stack = Stack(run, url, cwd=Path(name))
        stack.start(Program("risk", (sys.executable, "-S", "-c", "import time; time.sleep(60)")))
        try:
            with Answering(url, TAKERS, (open_pair("P1"),)) as desk:
                refused = arb("down", "--run", str(run), "--wait", "0")
                assert refused.exit_code == 1 and "P1" in refused.output and "--anyway" in refused.output
                assert stack.processes["risk"].alive
                assert arb("down", "--run", str(run), "--anyway").exit_code == 2, "a reason is needed"
                done = arb("down", "--run", str(run), "--wait", "0", "--anyway", "--reason", "by hand")
            assert done.exit_code == 1 and "Everything is stopped" in done.output
            assert not stack.processes["risk"].alive and desk.stops[-1].reason == "by hand"
        finally:
            stack.stop_all()


def test_down_with_nobody_to_ask_stops_and_says_what_is_not_known(url: str) -> None:
    with tempfile.TemporaryDirectory(prefix="arb") as name:
        run = Path(name) / "run"
        stack = Stack(run, url, cwd=Path(name))
        stack.start(Program("risk", (sys.executable, "-S", "-c", "import time; time.sleep(60)")))
        try:
            done = arb("down", "--run", str(run), "--wait", "0")
            assert done.exit_code == 1 and "not known: what is open" in done.output
            assert not stack.processes["risk"].alive
        finally:
            stack.stop_all()
