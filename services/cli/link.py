"""The command's line to Redis: which server, what time it is there, what has been written.

Where the address comes from, first found wins: `--redis`, `ARB_RUNTIME_REDIS_URL`, the stack that
runs in the run folder, `config/runtime.toml`.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import redis

from services.cli.faults import Fault, UsageFault
from services.cli.processes import ADDRESS_VARIABLE
from services.cli.stack_file import read_stack_file
from services.contracts.envelope import Envelope, Message, Unreadable
from services.contracts.streams import EVERY_KEY, TICKS, home_of, key_of
from services.runtime.bus import Entry, Write
from services.runtime.comparison import Comparison
from services.runtime.parts import StateUnreadable
from services.runtime.redaction import redacted, shown_address
from services.runtime.redis_bus import RedisBus, connect
from services.runtime.settings import RuntimeSettings, load_settings
from services.runtime.standing import entry_order

READ_AT_ONCE = 1_000
OWN_KEYS = (*EVERY_KEY, "rq:*")
"""Everything the services write, as patterns: streams, states, and the queue of side jobs."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One entry that was read."""

    envelope: Envelope
    key: str
    entry_id: str

    @property
    def message(self) -> Message:
        body = self.envelope.body
        assert isinstance(body, Message)
        return body

    @property
    def order(self) -> tuple[int, int]:
        """Sorts entries of several streams by the time Redis took them."""
        return entry_order(self.entry_id)


@dataclass
class Link:
    """An open line. `url` may hold a password and is never printed; `address` may be."""

    url: str
    bus: RedisBus
    client: "redis.Redis"

    @property
    def address(self) -> str:
        return shown_address(self.url)

    def follow(self, keys: Iterable[str], *, tail: int | None = None) -> "Follower":
        """Read `keys` on from their beginning, or from their last `tail` entries."""
        if tail is None:
            return Follower(self.bus, dict.fromkeys(keys, "0-0"))
        cursors = {key: self._before_tail(key, tail) for key in keys}
        return Follower(self.bus, cursors)

    def append(self, message: Message, *, cause: str, source: str = "cli") -> Envelope:
        """Write a person's request; returns its envelope, whose id the answers name as their cause."""
        envelope = self.envelope(message, cause=cause, source=source)
        self.write(envelope)
        return envelope

    def committed(self, service: str) -> Mapping[str, str]:
        """Return what a service has committed reading; none where what stands there cannot be meant."""
        try:
            return self.bus.positions(service)
        except StateUnreadable:
            return {}

    def envelope(self, message: Message, *, cause: str, source: str = "cli") -> Envelope:
        """Return what `append` would write."""
        return Envelope.wrap(message, source=source, now_ns=self.bus.time_ns(), causation_id=cause)

    def write(self, envelope: Envelope) -> None:
        stream = home_of(type(envelope.body))
        self.bus.append([Write(key_of(stream), envelope, stream.kept)])

    def entries_added(self, key: str) -> int:
        """How many entries a stream ever took, trimmed ones included."""
        try:
            info: Any = self.client.xinfo_stream(key)
        except redis.exceptions.ResponseError:
            return 0
        return int(info["entries-added"])

    def tick_keys(self) -> list[str]:
        found = self.client.scan_iter(match=key_of(TICKS, "*"), count=1_000)
        return sorted(key.decode(errors="replace") for key in found)

    def own_keys(self) -> list[str]:
        """Every key that services have written in this database."""
        found = {
            key.decode(errors="replace")
            for match in OWN_KEYS
            for key in self.client.scan_iter(match=match, count=1_000)
        }
        return sorted(found)

    def erase(self) -> None:
        """Delete every key of ours. Only for a database that was empty when we came."""
        keys = self.own_keys()
        if keys:
            self.client.delete(*keys)

    def close(self) -> None:
        self.client.close()

    def _before_tail(self, key: str, tail: int) -> str:
        entries = self.bus.tail(key, tail)
        if not entries:
            return "0-0"
        if tail and len(entries) < tail:
            return "0-0"
        ms, seq = entries[0].order
        return f"{ms}-{seq - 1}" if seq else f"{ms - 1}-{2**64 - 1}"


def refuse_used(link: Link) -> None:
    """See to it that a simulated day begins with a database that holds nothing of a system like this.

    Raises:
        UsageFault: it holds something.
    """
    keys = link.own_keys()
    if keys:
        raise UsageFault(
            f"{link.address} already holds {len(keys)} keys of a system like this ({keys[0]} ...)",
            "Name an empty database of it (redis://HOST:PORT/DB), or leave --redis out.",
        )


@dataclass
class Follower:
    """Reads streams onward; what cannot be decoded is counted and passed over.

    A stream that ends before what was read of it is read from its start.
    """

    bus: RedisBus
    cursors: dict[str, str]
    unreadable: int = 0
    counted: dict[str, int] = field(default_factory=dict)
    _comparison: Comparison = field(init=False)

    def __post_init__(self) -> None:
        self._comparison = Comparison(self.bus)

    def read(self, block_ms: int = 0) -> list[Seen]:
        """Return what is new, in the order Redis took it; waits up to `block_ms` if there is nothing."""
        return self._seen_in(self._entries(block_ms))

    def drain(self) -> list[Seen]:
        """Return everything up to now, in the order Redis took it."""
        seen: list[Seen] = []
        while entries := self._entries(0):
            seen += self._seen_in(entries)
        return sorted(seen, key=lambda item: item.order)

    def _entries(self, block_ms: int) -> list[Entry]:
        found = self._comparison.look(self.cursors)
        if found is not None:
            self.cursors |= dict.fromkeys(found.anew(self.cursors), "0-0")
        entries = self.bus.read(self.cursors, count=READ_AT_ONCE, block_ms=block_ms)
        for entry in entries:
            self.cursors[entry.key] = entry.entry_id
            self.counted[entry.key] = self.counted.get(entry.key, 0) + 1
        return entries

    def _seen_in(self, entries: Iterable[Entry]) -> list[Seen]:
        seen: list[Seen] = []
        for entry in entries:
            try:
                seen.append(Seen(entry.decoded(), entry.key, entry.entry_id))
            except Unreadable:
                self.unreadable += 1
        return seen


def open_link(url: str, timeout_s: int = 5) -> Link:
    """Return a line to a server that answers.

    Raises:
        Fault: it does not answer; says its address without the password.
    """
    try:
        client = redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=timeout_s)
        client.ping()
    except (ValueError, TypeError) as error:  # TypeError: an option that no connection knows
        raise UsageFault(f"{shown_address(url)!r} is no Redis address, or has an option that is none",
                         "Write redis://HOST:PORT/DB, rediss://HOST:PORT/DB?ssl_ca_certs=FILE or unix://PATH."
        ) from error  # fmt: skip
    except (redis.exceptions.RedisError, OSError) as error:
        raise Fault(
            f"Redis at {shown_address(url)} does not answer: {redacted(str(error))}",
            "Start the stack with `arb up`, or name the server with `--redis URL`.",
        ) from error
    return Link(url, connect(url, timeout_s=timeout_s), client)


def address_in_use(given: str, run_folder: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Return the Redis address that a command talks to (see the module's docstring)."""
    if given or environ.get(ADDRESS_VARIABLE):
        return given or environ[ADDRESS_VARIABLE]
    stack = read_stack_file(run_folder)
    return stack.redis_url if stack is not None else load_settings(RuntimeSettings).redis_url


def with_database(url: str, number: int) -> str:
    """Return the address with a database number, where it names none itself."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if "db" in query or (parts.scheme != "unix" and parts.path.strip("/")):
        return url
    if parts.scheme == "unix":
        return f"{url}{'&' if parts.query else '?'}db={number}"
    return urlunsplit(parts._replace(path=f"/{number}"))
