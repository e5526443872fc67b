"""A halt on its way: to each Redis that could be meant, and past a silent gateway's Redis by the HALT file.

Each step is tried whatever became of the others, and each failure is told. Each server has its own thread:
one that hangs delays no other, and who breaks the waiting off takes no halt back.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.cli.desk_addresses import Named, place_of
from services.cli.gateway_here import GatewayHere
from services.cli.link import Link
from services.cli.stops import GATEWAY, Stopping, Written, answers_to, write_stop
from services.contracts.messages.control import StopRequested
from services.contracts.streams import STOPS, state_key
from services.gateway import halt_file
from services.runtime.redaction import redacted, shown_address
from services.runtime.redis_bus import RedisBus
from services.runtime.stop_signals import stopped_by_signals

TIMEOUT_S: Final = 2
SEND_S: Final = 5.0
"""So long a server may take to accept a halt, beside the wait for its answers."""
AGAIN_S: Final = 0.2
POLL_S: Final = 0.05


@dataclass(eq=False)
class Attempt:
    """A halt at one server. `problem` is why it was not written there, as far as anybody knows."""

    named: Named
    first: bool = True
    over: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)
    written: Written | None = None
    stopping: Stopping | None = None
    problem: str = ""

    @property
    def address(self) -> str:
        return f"{shown_address(self.named.url)} ({', '.join(self.named.sources)})"

    @property
    def counts(self) -> bool:
        """Whether a desk may be there: a server where none ever was, or one that is only assumed and does not
        answer, has nobody who must stop."""
        return self.first or self.written is not None or bool(self.problem and not self.named.assumed)

    @property
    def done(self) -> bool:
        return self.stopping is not None and self.stopping.done

    @property
    def gateway_has_it(self) -> bool:
        return self.stopping is not None and GATEWAY not in self.stopping.silent

    def run(self, request: StopRequested, wait_s: float) -> None:
        """Write the halt and collect its answers. Raises nothing."""
        try:
            self._run(request, wait_s)
        except Exception as error:
            self.problem = redacted(f"{type(error).__name__}: {error}")
        finally:
            self.finished.set()

    def _run(self, request: StopRequested, wait_s: float) -> None:
        link = _link(self.named.url)
        deadline = time.monotonic() + (wait_s if self.first or not self.named.assumed else 0)
        while self.first or _holds_a_desk(link):
            try:
                self.written = write_stop(link, request)
                self.problem = ""
                break
            except Exception as error:
                self.problem = redacted(str(error))
                if time.monotonic() > deadline or self.over.wait(AGAIN_S):
                    return
        if self.written is not None:
            self.stopping = answers_to(link, self.written, wait_s, self.over)


def _link(url: str) -> Link:
    """Return a line that needs nothing but streams of a server: no later protocol, no look at its version."""
    client = redis.Redis.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
    )
    return Link(url, RedisBus(client), client)


def _holds_a_desk(link: Link) -> bool:
    """Whether a system like this ever wrote there; where that cannot be told, one did."""
    try:
        return bool(link.client.exists(STOPS.key, *map(state_key, ("gateway", "risk", "executor"))))
    except redis.exceptions.ResponseError:
        return True


def halt_at(names: Sequence[Named], request: StopRequested, wait_s: float) -> tuple[list[Attempt], bool]:
    """Halt at each server; returns the attempts, and whether a person broke the waiting off."""
    attempts = [Attempt(named, first=at == 0) for at, named in enumerate(names)]
    threads = [
        threading.Thread(target=attempt.run, args=(request, wait_s), daemon=True) for attempt in attempts
    ]
    with stopped_by_signals() as broken_off:
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + wait_s + SEND_S
        while time.monotonic() < deadline and not all(attempt.finished.is_set() for attempt in attempts):
            if broken_off.is_set() and not attempts[0].over.is_set():
                # What is on its way to a server has its time all the same.
                deadline = min(deadline, time.monotonic() + TIMEOUT_S)
                for attempt in attempts:
                    attempt.over.set()
            time.sleep(POLL_S)
    for attempt in attempts:
        if not attempt.finished.is_set() and attempt.written is None:
            attempt.problem = attempt.problem or f"no answer in {wait_s + SEND_S:g} s"
    return attempts, broken_off.is_set()


@dataclass(frozen=True, slots=True)
class Laid:
    """A HALT file at its gateway; `problem` says why it could not be laid there, empty where it lies."""

    gateway: GatewayHere
    problem: str = ""


def lay_halt_files(
    attempts: Iterable[Attempt], gateways: Iterable[GatewayHere], run: Path, text: str
) -> list[Laid]:
    """Lay the HALT file of each gateway here that has not said that it stopped."""
    known = [attempt for attempt in attempts if attempt.counts]
    answered = {place_of(attempt.named.url) for attempt in known if attempt.gateway_has_it}
    silent = {place_of(attempt.named.url) for attempt in known if not attempt.gateway_has_it}
    return [
        _laid(gateway, text)
        for gateway in gateways
        if silent and _is_meant(gateway, silent, run) and place_of(gateway.address) not in answered
    ]


def _is_meant(gateway: GatewayHere, silent: set[tuple[str, int, str] | None], run: Path) -> bool:
    """A gateway of another desk goes on: this one has a silent address, stands in our run folder, or hides
    whose it is."""
    if gateway.halt_file is None or place_of(gateway.address) in silent:
        return True
    with suppress(OSError):
        return gateway.halt_file.parent.resolve() == run.resolve()
    return False


def _laid(gateway: GatewayHere, text: str) -> Laid:
    if gateway.halt_file is None:
        return Laid(gateway, "this user may not see which file it looks for")
    try:
        halt_file.lay_by_hand(gateway.halt_file, text)
    except OSError as error:
        return Laid(gateway, f"{error.strerror or error}")
    return Laid(gateway)
