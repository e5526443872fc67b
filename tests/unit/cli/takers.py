"""The cores of gateway and executor on a real stream of stops: each obeys what it reads and says so."""

import threading
from collections.abc import Callable

from services.contracts.envelope import Envelope, Message
from services.contracts.step import Received
from services.contracts.streams import STOPS
from services.executor.core import decide
from services.executor.settings import ExecutorSettings
from services.executor.state import ExecutorState
from services.gateway.facts import Delivered
from services.runtime.bus import Write
from services.runtime.redis_bus import connect
from tests.unit.gateway.desk import fresh

Core = Callable[[Received], list[Message]]


class Takers:
    """Threads that read the stops of the Redis at `url` from their beginning, one for each core."""

    def __init__(self, url: str, *names: str) -> None:
        cores = {"gateway": _gateway, "executor": _executor}
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(url, name, cores[name]()), daemon=True) for name in names
        ]

    def __enter__(self) -> "Takers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    def _run(self, url: str, name: str, core: Core) -> None:
        bus, cursor = connect(url), "0-0"
        while not self._over.is_set():
            for entry in bus.read({STOPS.key: cursor}, count=100, block_ms=20):
                cursor, event = entry.entry_id, entry.decoded()
                said = core(Received(event, entry.key, entry.entry_id, bus.time_ns()))
                bus.append([Write(STOPS.key, _caused(message, name, event)) for message in said])


def _caused(message: Message, source: str, event: Envelope) -> Envelope:
    return Envelope.wrap(message, source=source, now_ns=event.ts_init_ns, causation_id=event.id)


def _of_stops(said: list[Message]) -> list[Message]:
    return [message for message in said if type(message) in STOPS.types]


def _gateway() -> Core:
    desk = fresh()

    def core(event: Received) -> list[Message]:
        desk.said.clear()
        desk.feed(Delivered(event))
        return _of_stops(desk.said)

    return core


def _executor() -> Core:
    state = ExecutorState(settings=ExecutorSettings())

    def core(event: Received) -> list[Message]:
        nonlocal state
        step = decide(state, event)
        state = step.state
        return _of_stops([out.message for out in step.out])

    return core
