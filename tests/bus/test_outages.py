"""Redis full, refusing, emptied, or cut off in the middle of a word: nothing lost, nothing doubled, told."""

import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
import redis

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.envelope import Envelope, decode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import TradingStateChanged, TradingStateRequested
from services.contracts.messages.status import KeysVanished
from services.contracts.step import Event, Outgoing, Received, State, Step
from services.contracts.streams import ALERTS, CONTROL, STATUS, STOPS
from services.contracts.terms import Severity, TradingState
from services.gateway.supervisor.reporter import Reporter
from services.runtime import loop as loop_module
from services.runtime.bus import BusUnavailable, Fenced, KeysLost, Write
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.meter import Unmetered
from services.runtime.process import EXIT_FENCED
from services.runtime.redis_bus import RedisBus, connect
from services.runtime.redis_server import find_redis
from services.runtime.service import LOCAL, Service
from services.runtime.slack import Delivered, Outcome
from services.runtime.slack_blocks import Payload
from tests.bus.test_fenced import beat

DEADLINE_S = 20.0


class Tally(State):
    DURABLE: ClassVar[frozenset[str]] = frozenset({"seen", "vanished"})
    seen: tuple[str, ...] = ()
    vanished: int = 0


def tally(state: Tally, event: Event) -> Step[Tally]:
    if not isinstance(event, Received):
        return Step(state)
    match event.message:
        case KeysVanished() if event.stream_key == LOCAL:
            return Step(state.but(vanished=state.vanished + 1))
        case TradingStateRequested() as request:
            answer = TradingStateChanged(
                state=request.target, by=request.by, reason=request.reason, latches=()
            )
            return Step(state.but(seen=(*state.seen, request.reason)), (Outgoing(answer),))
    return Step(state)


class Failures(Unmetered[Tally]):
    """Counts how often Redis failed."""

    count = 0

    def bus_failed(self) -> None:
        self.count += 1


def loop_on(bus: RedisBus, meter: Unmetered[Tally] | None = None) -> ServiceLoop[Tally]:
    service = Service("tally", tally, Tally(), committed=(CONTROL.key,), newest=(STATUS.key,))
    return ServiceLoop(service, bus, RedisClock(bus.time_ns), meter)


def request(reason: str) -> Envelope:
    message = TradingStateRequested(target=TradingState.HALTED, by="desk", reason=reason)
    return Envelope.wrap(message, source="cli", now_ns=1, causation_id=reason)


def ask(client: "redis.Redis", *reasons: str) -> None:
    RedisBus(client).append([Write(CONTROL.key, request(reason)) for reason in reasons])


def answers(client: "redis.Redis") -> list[str]:
    bodies = [decode(entry.text).body for entry in RedisBus(client).tail(STOPS.key, 1_000)]
    return [body.reason for body in bodies if isinstance(body, TradingStateChanged)]


def alert_ids(client: "redis.Redis") -> list[str]:
    bodies = [decode(entry.text).body for entry in RedisBus(client).tail(ALERTS.key, 1_000)]
    return [body.alert_id for body in bodies if isinstance(body, AlertRaised)]


@contextmanager
def running(loop: ServiceLoop[Tally]) -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(10)


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)


@pytest.fixture
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator["redis.Redis"]:
    """A server that a test may ruin."""
    server = find_redis("", tmp_path_factory.mktemp("r"))
    client = redis.Redis.from_url(server.url)
    yield client
    client.close()
    server.stop()


@pytest.mark.redis
def test_with_its_memory_full_redis_takes_nothing_and_afterwards_everything_once(
    own_redis: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "OUTAGE_TOLD_S", 0.0)
    errors: list[str] = []
    loop = loop_on(RedisBus(own_redis))
    loop.turn()
    ask(own_redis, "one", "two")
    own_redis.config_set("maxmemory", "1kb")
    with pytest.raises(BusUnavailable, match="maxmemory"):
        loop.turn()
    with running(loop) as thread:
        until(lambda: loop._down is not None)
        errors.append(loop._down.because if loop._down else "")
        assert thread.is_alive() and answers(own_redis) == []
        own_redis.config_set("maxmemory", "0")
        until(lambda: answers(own_redis) == ["one", "two"])
        until(lambda: any(alert.startswith("bus-tally") for alert in alert_ids(own_redis)))
    assert "maxmemory" in errors[0]
    assert loop.state.seen == ("one", "two")


@pytest.mark.redis
def test_with_redis_full_the_gateways_supervisor_speaks_to_slack_itself(own_redis: "redis.Redis") -> None:
    posted: list[Payload] = []

    def post(payload: Payload) -> Outcome:
        posted.append(payload)
        return Delivered()

    reporter = Reporter(lambda: RedisBus(own_redis), post, redis_away_s=1, repeat_s=60, host="desk")
    own_redis.config_set("maxmemory", "1kb")
    reporter.start()
    alert = raised(AlertCode.REDIS_AWAY, "redis-away", Severity.CRITICAL, {"away": 1_000})
    reporter.tell(alert)
    until(lambda: len(posted) == 1)
    assert alert_ids(own_redis) == [] and reporter.redis_away_s >= 1
    own_redis.config_set("maxmemory", "0")
    until(lambda: alert_ids(own_redis) == ["redis-away"])
    reporter.finish(5)
    assert len(posted) == 1 and reporter.redis_away_s == 0


@pytest.mark.redis
def test_a_redis_that_comes_back_empty_is_told_and_filled_from_memory(own_redis: "redis.Redis") -> None:
    """Its ids may begin anew, below the positions that the service has in mind: none may be skipped."""
    loop = loop_on(RedisBus(own_redis))
    ask(own_redis, "before")
    loop.turn()
    own_redis.flushall()
    own_redis.xadd(CONTROL.key, {"m": request("after").encode()}, id="5-1")
    with running(loop):
        until(lambda: loop.state.seen == ("before", "after"))
        until(lambda: bool(own_redis.hget("{arb}:state:tally", "seen")))
        until(lambda: loop.state.vanished == 1)
    assert alert_ids(own_redis).count("emptied-tally") == 1
    again = loop_on(RedisBus(own_redis))
    again.turn()
    assert again.state.seen == ("before", "after"), "what had been lost is stored again"


def test_keys_that_are_gone_are_not_taken_for_a_rival(client: "redis.Redis") -> None:
    loop = loop_on(RedisBus(client))
    loop.turn()
    client.flushall()
    ask(client, "one")
    with pytest.raises(KeysLost):
        for _ in range(3):
            loop.reader.go_back(to_the_start=True)
            loop.turn()


def test_an_instance_back_from_a_pause_does_not_take_over_again(client: "redis.Redis") -> None:
    """It lost its connection meanwhile, so it begins with a recovery: that must not fence its successor."""
    paused = loop_on(RedisBus(client))
    paused.turn()
    successor = loop_on(RedisBus(client))
    successor.turn()
    paused._forget()
    with pytest.raises(Fenced):
        paused.turn()
    ask(client, "one")
    successor.turn()
    assert answers(client) == ["one"]


def test_a_claim_whose_answer_was_lost_is_still_ours(client: "redis.Redis") -> None:
    bus = RedisBus(client)
    held = bus.take_over("tally").epoch
    bus.take_over("tally", held)
    assert bus.take_over("tally", held).epoch > held + 1


# -- refusals ----------------------------------------------------------------------------------


class Refusing(socketserver.ThreadingTCPServer):
    """Answers every command with one error, as a server does that loads, follows, or wants a password."""

    daemon_threads = True
    allow_reuse_address = True
    error = b""


class Refusal(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while line := self.rfile.readline():
            if not line.startswith(b"*"):
                continue
            for _ in range(int(line[1:])):
                self.rfile.read(int(self.rfile.readline()[1:]) + 2)
            assert isinstance(self.server, Refusing)
            self.wfile.write(self.server.error)


@pytest.mark.parametrize(
    "error",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-MISCONF Redis is configured to save RDB snapshots, but it is unable to persist to disk.\r\n",
        b"-CLUSTERDOWN The cluster is down\r\n",
        b"!!! no redis at all\r\n",
    ],
    ids=lambda error: error.split()[0].decode(),
)
def test_a_redis_that_refuses_everything_ends_no_service(error: bytes) -> None:
    with Refusing(("127.0.0.1", 0), Refusal) as server:
        server.error = error
        threading.Thread(target=server.serve_forever, daemon=True).start()
        bus = connect(f"redis://127.0.0.1:{server.server_address[1]}/0", timeout_s=1)
        failures = Failures()
        loop = loop_on(bus, failures)
        with pytest.raises(BusUnavailable):
            loop.turn()
        with running(loop) as thread:
            until(lambda: failures.count >= 2)
            assert thread.is_alive()
        server.shutdown()


# -- a cut connection ----------------------------------------------------------------------------


class Cutter:
    """A line to Redis that is cut once: at the n-th request that holds a commit, or at its answer."""

    def __init__(self, path: str, at_commit: int, answered: bool) -> None:
        self._path, self._left, self._answered = path, at_commit, answered
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX)
        far.connect(self._path)
        with near, far:
            while True:
                asked = near.recv(65_536)
                if not asked:
                    return
                cut = self._cuts(asked)
                if cut and not self._answered:
                    return
                far.sendall(asked)
                said = far.recv(65_536)
                if cut or not said:
                    return
                near.sendall(said)

    def _cuts(self, asked: bytes) -> bool:
        if b"EVALSHA" not in asked or b"positions" not in asked:
            return False
        self._left -= 1
        self.cuts += self._left == 0
        return self._left == 0

    def close(self) -> None:
        self._server.close()


@pytest.mark.redis
@pytest.mark.parametrize("answered", [False, True], ids=["before it took place", "after it took place"])
@pytest.mark.parametrize("at_commit", [1, 2, 3, 5])
def test_a_commit_cut_in_the_middle_takes_effect_once(
    own_redis: "redis.Redis", at_commit: int, answered: bool
) -> None:
    path = own_redis.connection_pool.connection_kwargs["path"]
    line = Cutter(path, at_commit, answered)
    wanted = [f"{number}" for number in range(6)]
    ask(own_redis, *wanted[:3])
    loop = loop_on(connect(f"redis://127.0.0.1:{line.port}/0", timeout_s=2))
    with running(loop):
        until(lambda: len(loop.state.seen) >= 3)
        ask(own_redis, *wanted[3:])
        until(lambda: len(answers(own_redis)) >= 6 and line.cuts == 1)
        until(lambda: len(loop.state.seen) == 6)
    line.close()
    assert answers(own_redis) == wanted
    assert loop.state.seen == tuple(wanted)


@pytest.mark.redis
def test_a_process_that_was_overtaken_waits_and_ends_with_its_own_exit_code(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_outages as t;"
        "from services.runtime.service import Service; from services.runtime.process import run_service;"
        "build = lambda runtime: Service('tally', t.tally, t.Tally(), committed=(t.CONTROL.key,),"
        " exports='risk');"
        "raise SystemExit(run_service(build))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(Path(__file__).parent)],
        env={"ARB_RUNTIME_REDIS_URL": redis_url, "PATH": "", "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: client.hget("{arb}:state:tally", "epoch") is not None)
        owner = RedisBus(client)
        owner.take_over("tally")

        def said() -> bool:
            beat(client, "another-1")
            return any(alert_id.startswith("fenced-tally-") for alert_id in alert_ids(client))

        until(said)
        assert process.poll() is None, "it waits for as long as the other lives"
        assert client.hget("{arb}:state:tally", "epoch") == b"2"
        process.terminate()
        assert process.wait(DEADLINE_S) == EXIT_FENCED
    finally:
        process.kill()
        process.wait()
