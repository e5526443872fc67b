"""The executor as a service: over a Redis, with its settings, through a crash of the process."""

from pathlib import Path

import fakeredis
import pytest

from services.contracts.envelope import Envelope, Message, decode
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.pairs import PairClosed
from services.contracts.messages.status import ExecutorStatus
from services.contracts.streams import COMMANDS, PAIRS, TICKS, home_of, key_of
from services.executor.settings import ExecutorSettings
from services.executor.shell import build
from services.runtime.bus import Write
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import RedisBus
from services.runtime.settings import RuntimeSettings, load_settings

from .desk import Desk

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture(autouse=True)
def shipped_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARB_CONFIG_DIR", str(CONFIG))


def test_the_shipped_file_is_what_the_code_defaults_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shipped = load_settings(ExecutorSettings)
    monkeypatch.setenv("ARB_CONFIG_DIR", str(tmp_path))
    assert load_settings(ExecutorSettings) == shipped


def test_it_reads_the_ticks_of_every_group_and_commits_the_rest() -> None:
    service = build(RuntimeSettings(_env_file=None))
    assert set(service.newest) == {"ticks:{g1}", "ticks:{g2}"}
    assert len(service.committed) == 5


class Process:
    """An executor process on a shared Redis: start it, turn it, let it die."""

    def __init__(self, redis: fakeredis.FakeRedis) -> None:
        self.bus = RedisBus(redis)
        service = build(RuntimeSettings(_env_file=None))
        self.loop = ServiceLoop(service, self.bus, RedisClock(self.bus.time_ns))
        self.loop.turn()

    def turn(self) -> None:
        while self.loop.turn():
            pass


def test_a_pair_survives_the_death_of_the_process_between_buy_and_sell() -> None:
    redis = fakeredis.FakeRedis()
    first = Process(redis)
    script = Script(first.bus)
    script.open_day()
    first.turn()
    script.approve()
    first.turn()
    (buy,) = script.commands()
    script.fill(buy)
    second = Process(redis)
    second.turn()
    assert len(script.commands()) == 1, "no book yet: books are not stored"
    script.crossed()
    second.turn()
    _, sell = script.commands()
    assert sell.order_id == "P1.1.s.1"
    script.fill(sell)
    second.turn()
    closed = [e.body for e in script.read(key_of(PAIRS)) if isinstance(e.body, PairClosed)]
    assert [c.sold_shares for c in closed] == [5]
    assert isinstance(script.read("{arb}:status")[0].body, ExecutorStatus)


class Script(Desk):
    """A desk whose words go onto the streams instead of straight into a core."""

    def __init__(self, bus: RedisBus) -> None:
        super().__init__()
        self.bus = bus
        self.now_ns = bus.time_ns()

    def hear(self, message: Message, age_ms: int = 0, entry_id: str = "") -> list[Message]:
        self.seq += 1
        self.now_ns = self.bus.time_ns()
        stream = home_of(type(message))
        key = key_of(stream, "g1" if stream is TICKS else "")
        envelope = Envelope.wrap(message, source="script", now_ns=self.now_ns, causation_id=f"s{self.seq}")
        self.bus.append([Write(key, envelope)])
        return []

    def read(self, key: str) -> list[Envelope]:
        return [decode(entry.text) for entry in self.bus.tail(key, 1_000)]

    def commands(self) -> list[PlaceOrder]:
        return [e.body for e in self.read(key_of(COMMANDS, "main")) if isinstance(e.body, PlaceOrder)]
