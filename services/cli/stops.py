"""A stop on its stream, and each process that must obey it.

The request is written before anything else is looked at. A process has taken it in when it says so, in the
same stream and with the request as the cause: the gateway by the thread that sends orders. What else was said
or read is no answer. Silence is told by name.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from redis.exceptions import RedisError

from services.cli.faults import Interrupted
from services.cli.link import Follower, Link, Seen
from services.contracts.envelope import Envelope, Message
from services.contracts.messages.control import (
    StopRequested,
    StopTaken,
    SymbolPauseRequested,
    TradingStateChanged,
)
from services.contracts.streams import ENTRY_FIELD, STOPS
from services.contracts.terms import TradingState
from services.runtime.bus import BusUnavailable
from services.runtime.redaction import redacted

POLL_MS: Final = 50
GATEWAY, EXECUTOR, RISK = "gateway", "executor", "risk"

_MUST_TAKE: Final[Mapping[type[Message], tuple[str, ...]]] = {
    StopRequested: (GATEWAY, EXECUTOR, RISK),
    SymbolPauseRequested: (GATEWAY, EXECUTOR, RISK),
}
_SILENT: Final = {
    GATEWAY: "It sends orders, and may not have stopped.",
    EXECUTOR: "The gateway refuses what it may still ask for.",
    RISK: "Gateway and executor obey a stop without it.",
}
_WRITTEN: Final = "stopped waiting: the stop is written and holds; who has taken it in is not known"
_MAYBE_WRITTEN: Final = "unknown: the stop may not have been written; look at `arb status`"


Stop = StopRequested | SymbolPauseRequested
NEVER_OVER: Final = threading.Event()


@dataclass(frozen=True, slots=True)
class Written:
    """A stop that stands in its stream, at `entry_id`."""

    request: Envelope
    entry_id: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What a process said of a stop: the state in force there, and by whose word where risk says so."""

    who: str
    service: str
    state: TradingState
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stopping:
    """A stop that stands in its stream, and who has taken it in within `waited_s`."""

    request: Envelope
    taken: tuple[Taken, ...]
    waited_s: float

    @property
    def silent(self) -> tuple[str, ...]:
        """The services that must obey and have not said so."""
        known = {taken.service for taken in self.taken}
        return tuple(name for name in _MUST_TAKE[type(self.request.body)] if name not in known)

    @property
    def done(self) -> bool:
        return not self.silent

    def lines(self) -> list[tuple[bool, str]]:
        """Return a line for each process that must stop, the gateway first, and whether it has."""
        lines: list[tuple[bool, str]] = []
        for service in _MUST_TAKE[type(self.request.body)]:
            of_it = [taken for taken in self.taken if taken.service == service]
            lines += [(True, f"{taken.who}: {self._words(taken)}") for taken in of_it]
            if not of_it:
                lines.append((False, f"{service}: no answer in {self.waited_s:.1f} s. {_SILENT[service]}"))
        return lines

    def _words(self, taken: Taken) -> str:
        request = self.request.body
        if isinstance(request, SymbolPauseRequested):
            return f"{request.symbol} is paused"
        if not isinstance(request, StopRequested) or not taken.by:
            return str(taken.state)
        why = f"by {taken.by}: {taken.reason}"
        if taken.state is request.target:
            return f"trading is {taken.state} ({why})"
        return f"no change: the desk is {taken.state} ({why}), which is stricter than {request.target}"

    def as_json(self) -> dict[str, Any]:
        """Return it for a script."""
        return {
            "request": {"id": self.request.id, "type": self.request.type, **self.request.body.model_dump()},
            "done": self.done,
            "taken_by": {taken.who: taken.state for taken in self.taken},
            "silent": list(self.silent),
        }


def ask_stop(link: Link, request: Stop, wait_s: float) -> Stopping:
    """Append a stop, then wait at most `wait_s` seconds until each process that must obey has it.

    Raises:
        BusUnavailable: Redis did not take it; whether it was written is not known.
        Interrupted: Ctrl-C ended the waiting; says whether the stop holds.
    """
    written = None
    try:
        written = write_stop(link, request)
        return answers_to(link, written, wait_s)
    except KeyboardInterrupt:
        raise Interrupted(_WRITTEN if written else _MAYBE_WRITTEN) from None


def write_stop(link: Link, request: Stop) -> Written:
    """Append a stop, whatever else this user may not ask of that server.

    Raises:
        BusUnavailable: Redis did not take it; whether it was written is not known.
    """
    cause = f"cli-{uuid4()}"
    envelope = Envelope.wrap(request, source="cli", now_ns=_now_ns(link), causation_id=cause)
    try:
        entry_id: Any = link.client.xadd(STOPS.key, {ENTRY_FIELD: envelope.encode()})
    except (RedisError, OSError) as error:
        raise BusUnavailable(f"Redis did not take it: {redacted(str(error))}") from error
    return Written(envelope, entry_id.decode())


def answers_to(link: Link, written: Written, wait_s: float, over: threading.Event = NEVER_OVER) -> Stopping:
    """Wait until each process that must obey has a stop, at most `wait_s` seconds, or until `over` is set."""
    follower = Follower(link.bus, {STOPS.key: written.entry_id})
    taken: dict[str, Taken] = {}
    began_s = time.monotonic()
    while True:
        for item in _read(follower):
            if item.envelope.causation_id == written.request.id and (found := _taken(item)) is not None:
                taken[found.who] = found
        waited_s = time.monotonic() - began_s
        stopping = Stopping(written.request, tuple(taken.values()), min(waited_s, wait_s))
        if stopping.done or waited_s > wait_s or over.is_set():
            return stopping


def _now_ns(link: Link) -> int:
    try:
        return link.bus.time_ns()
    except BusUnavailable:
        return time.time_ns()


def _read(follower: Follower) -> list[Seen]:
    """The stop is written: a Redis that goes away now only ends the answers."""
    try:
        return follower.read(POLL_MS)
    except BusUnavailable:
        time.sleep(POLL_MS / 1_000)
        return []


def _taken(item: Seen) -> Taken | None:
    message = item.message
    if isinstance(message, StopTaken):
        who = f"{message.service} {message.name}".rstrip()
        return Taken(who, message.service, message.state)
    if isinstance(message, TradingStateChanged) and item.envelope.source == RISK:
        return Taken(RISK, RISK, message.state, message.by, message.reason)
    return None
