"""A stream that nobody takes in: at twice its alarm new pairs wait, and once it is shorter they go on."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import redis

from services.contracts.envelope import Message, decode
from services.contracts.limits import LOSSLESS_ALARM
from services.contracts.messages.status import NotifierStatus, RiskStatus
from services.contracts.streams import ALERTS, COMMANDS, CONTROL, STATUS, key_of, state_key
from services.market.market_clock import REAL_TIME
from services.notifier.core import decide as notifier
from services.notifier.journal import Journal, JournalOptions
from services.notifier.journal_source import StreamSource
from services.notifier.state import NotifierState
from services.risk.settings import RiskSettings
from services.risk.shell import risk_service
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import RedisBus
from services.runtime.service import Service

KEY = key_of(COMMANDS, "main")
CONFIG = Path(__file__).parents[2] / "config"
PATIENCE_S = 30.0


class Desk:
    """The notifier with its journal, and risk, on one Redis."""

    def __init__(self, client: "redis.Redis", root: Path) -> None:
        self.client, self.bus = client, RedisBus(client)
        options = JournalOptions(root, REAL_TIME.trading_date_at, keep_s=-60, sync_ms=1)
        self.journal = Journal(options, lambda: StreamSource(client))
        clock = RedisClock(self.bus.time_ns)
        speaker = Service(
            "notifier", notifier, NotifierState(), committed=(ALERTS.key, CONTROL.key), observe=self._report
        )
        risk = risk_service(RiskSettings(), CONFIG, REAL_TIME, ("g1", "g2"))
        self.loops = [ServiceLoop(service, self.bus, clock) for service in (speaker, risk)]

    def _report(self, state: NotifierState, now_ns: int) -> Sequence[Message]:
        return (self.journal.report,)

    def turn(self) -> None:
        self.journal._retained_s = 0.0
        self.journal.step()
        for loop in self.loops:
            loop.turn()

    def newest(self, kind: type[Message]) -> Message | None:
        said = [decode(entry.text).body for entry in self.bus.tail(STATUS.key, 20)]
        return next((body for body in reversed(said) if isinstance(body, kind)), None)

    def gate_closed(self) -> bool:
        said = self.newest(RiskStatus)
        return isinstance(said, RiskStatus) and any(KEY in sentence for sentence in said.gates)

    def until(self, closed: bool, below: int | None = None) -> None:
        """Go on until the gate is as wanted and, where `below` is given, fewer entries are left."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self.turn()
            short = below is None or self.client.xlen(KEY) < below
            if short and self.newest(RiskStatus) is not None and self.gate_closed() is closed:
                return
        raise AssertionError(
            f"the gate is not {'closed' if closed else 'open'}: {self.newest(NotifierStatus)}"
        )


@pytest.mark.redis
def test_a_stream_of_twice_its_alarm_closes_risks_gate_until_its_reader_has_caught_up(
    redis_url: str, tmp_path: Path
) -> None:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    fill(client, 2 * LOSSLESS_ALARM - 1)
    desk = Desk(client, tmp_path)
    desk.until(closed=False)
    fill(client, 1)
    desk.until(closed=True)
    last = desk.bus.tail(KEY, 1)[0].entry_id
    client.hset(state_key("gateway"), "positions", json.dumps({KEY: last}))
    desk.until(closed=False, below=LOSSLESS_ALARM)
    assert client.xlen(KEY) < LOSSLESS_ALARM
    desk.journal.close()


def fill(client: "redis.Redis", count: int) -> None:
    pipeline = client.pipeline(transaction=False)
    for number in range(count):
        pipeline.xadd(KEY, {"m": "{}"})
        if number % 5_000 == 4_999:
            pipeline.execute()
    pipeline.execute()
