"""What it costs a commit to keep what is said of how things are: the same with and without those fields.

CPU time of this process and of its own Redis together, as a ratio of one run, so that it compares across
machines. `python -m benchmarks.said`.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import redis

from services.contracts.envelope import Envelope, Message
from services.contracts.messages.status import Heartbeat, RiskStatus
from services.contracts.messages.venue_state import EntryWindowChanged
from services.contracts.step import Outgoing
from services.runtime import redis_bus as bus_module
from services.runtime.bus import Write
from services.runtime.redis_bus import RedisBus, connect
from services.runtime.redis_server import find_redis
from services.runtime.service import write_of
from tests.contracts.examples import EXAMPLES

TIMES: Final = 3_000
ROUNDS: Final = 5
KINDS: Final = (Heartbeat, RiskStatus, EntryWindowChanged)


def main() -> int:
    bodies = [EXAMPLES[kind.__name__] for kind in KINDS]
    with tempfile.TemporaryDirectory() as folder:
        server = find_redis("", Path(folder) / "redis")
        try:
            bus, client = connect(server.url), redis.Redis.from_url(server.url)
            for count in (1, len(bodies)):
                _report(bus, client, bodies[:count])
        finally:
            server.stop()
    return 0


def _report(bus: RedisBus, client: "redis.Redis", bodies: list[Message]) -> None:
    writes = [write_of(Outgoing(body), "risk", "c", number, 1) for number, body in enumerate(bodies)]
    ratios, plain = [], []
    for _ in range(ROUNDS):
        without_us, with_us = (
            _commit_us(bus, client, writes, fields) for fields in (_none, bus_module.said_by)
        )
        ratios.append(with_us / without_us)
        plain.append(without_us)
    sys.stdout.write(
        f"{', '.join(write.envelope.type for write in writes)}: a commit with the fields takes "
        f"{statistics.median(ratios):.2f} of one without ({statistics.median(plain):.0f} us of CPU; rounds "
        f"{min(ratios):.2f} to {max(ratios):.2f})\n"
    )


def _commit_us(
    bus: RedisBus,
    client: "redis.Redis",
    writes: list[Write],
    fields: Callable[..., dict[str, str]],
) -> float:
    kept, bus_module.said_by = bus_module.said_by, fields
    try:
        epoch = bus.take_over("risk").epoch
        began_s = _cpu_s(client)
        for _ in range(TIMES):
            bus.commit("risk", epoch, {"part": "1"}, {}, writes)
        return (_cpu_s(client) - began_s) / TIMES * 1_000_000
    finally:
        bus_module.said_by = kept


def _cpu_s(client: "redis.Redis") -> float:
    told: Any = client.info("cpu")
    return time.process_time() + float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


def _none(envelopes: list[Envelope]) -> dict[str, str]:
    return {}


if __name__ == "__main__":
    raise SystemExit(main())
