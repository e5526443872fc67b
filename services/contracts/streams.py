"""The streams table: who writes what, who reads it, and what a lost entry would cost.

No other file spells a stream name. Control-plane keys carry the literal hash tag `{arb}` and
a group's ticks their own, so that Redis Cluster stays possible. The table in
`docs/ARCHITECTURE.md` is printed from here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.contracts.envelope import Message
from services.contracts.limits import DEAD_KEPT, LEASE_KEPT, STATUS_KEPT, TICKS_KEPT
from services.contracts.messages import (
    alerts,
    commands,
    control,
    dead,
    intents,
    lease,
    market_data,
    orders,
    pairs,
    status,
    supervision,
    venue_state,
)


class Reading(StrEnum):
    COMMITTED = "committed"
    """The reader's position is part of its state: each entry takes effect once."""
    NEWEST = "newest"
    """Read from the newest entry on; nothing is committed, what is skipped is counted."""


@dataclass(frozen=True)
class Stream:
    """One row of the table. `key` holds `<name>` where there is one stream per group or gateway.

    `kept` is the approximate length after which old entries go, None where nothing is trimmed
    before its slowest reader has committed it.
    """

    name: str
    key: str
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    types: tuple[type[Message], ...]
    reading: Reading
    kept: int | None
    if_lost: str

    @property
    def may_be_left_out(self) -> bool:
        """Whether a step takes place without its outputs to this stream where Redis does not take them.

        People are told less, or entries stop with the lease; what the step did stays true.
        """
        return self.name in ("alerts", "status", "dead", "lease")


def _types(module: object) -> tuple[type[Message], ...]:
    found = [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, Message)]
    return tuple(item for item in found if item.__module__ == getattr(module, "__name__", ""))


TICKS: Final = Stream(
    "ticks", "ticks:{<name>}", ("gateway",), ("detector", "risk", "executor", "notifier"),
    _types(market_data), Reading.NEWEST, TICKS_KEPT,
    "nothing: the next quote replaces it; the journal shows the hole",
)  # fmt: skip
VENUE: Final = Stream(
    "venue", "{arb}:venue", ("gateway",), ("detector", "risk", "executor", "notifier"),
    _types(venue_state), Reading.COMMITTED, None,
    "a halt or a pause could be missed",
)  # fmt: skip
INTENTS: Final = Stream(
    "intents", "{arb}:intents", ("detector",), ("risk", "notifier"),
    _types(intents), Reading.COMMITTED, None,
    "one opportunity",
)  # fmt: skip
PAIRS: Final = Stream(
    "pairs", "{arb}:pairs", ("risk", "executor"), ("detector", "risk", "executor", "notifier"),
    _types(pairs), Reading.COMMITTED, None,
    "an open position nobody works on",
)  # fmt: skip
COMMANDS: Final = Stream(
    "commands", "{arb}:commands:<name>", ("executor",), ("gateway", "notifier"),
    _types(commands), Reading.COMMITTED, None,
    "a sell or a cancel that is never sent",
)  # fmt: skip
ORDERS: Final = Stream(
    "orders", "{arb}:orders", ("gateway",), ("executor", "risk", "notifier"),
    _types(orders), Reading.COMMITTED, None,
    "a fill we do not know of, until the next reconciliation",
)  # fmt: skip
_STOPPING = (
    control.StopRequested, control.SymbolPauseRequested, control.StopTaken, control.HaltFileSeen,
    control.TradingStateChanged, control.RequestWithdrawn, control.FlattenRequested, control.FlattenStarted,
)  # fmt: skip
STOPS: Final = Stream(
    "stops", "{arb}:stops", ("cli", "gateway", "risk", "executor"),
    ("gateway", "risk", "executor", "notifier"), _STOPPING, Reading.COMMITTED, None,
    "a stop that is not obeyed",
)  # fmt: skip
"""Its entries are handed on before any other of a turn, however many of others wait. The answers travel in it
too, and the wish to be flat: between a stop, risk's word on the state and a wish there is an order, and
nothing but stops delays an answer."""
_RETRIES = (dead.EntryRetryRequested, dead.EntryRetried)
CONTROL: Final = Stream(
    "control", "{arb}:control", ("cli", "gateway", "detector", "risk", "executor", "notifier"),
    ("gateway", "detector", "risk", "executor", "notifier"),
    (*(kind for kind in _types(control) if kind not in _STOPPING), *_RETRIES), Reading.COMMITTED, None,
    "a decision that takes no effect",
)  # fmt: skip
LEASE: Final = Stream(
    "lease", "{arb}:lease", ("risk",), ("gateway",),
    _types(lease), Reading.NEWEST, LEASE_KEPT,
    "nothing: the next renewal replaces it, and without one entries stop",
)  # fmt: skip
ALERTS: Final = Stream(
    "alerts", "{arb}:alerts", ("gateway", "detector", "risk", "executor", "notifier", "cli"), ("notifier",),
    _types(alerts), Reading.COMMITTED, None,
    "a person who is not told",
)  # fmt: skip
STATUS: Final = Stream(
    "status", "{arb}:status", ("gateway", "detector", "risk", "executor", "notifier"), ("cli", "risk"),
    (*_types(status), *_types(supervision)), Reading.NEWEST, STATUS_KEPT,
    "nothing: the next heartbeat replaces it",
)  # fmt: skip
DEAD: Final = Stream(
    "dead", "{arb}:dead", ("gateway", "detector", "risk", "executor", "notifier"), ("cli",),
    (dead.EntryBuried,), Reading.NEWEST, DEAD_KEPT,
    "nothing: the entry stands in its own stream, and in the journal",
)  # fmt: skip

TABLE: Final = (TICKS, VENUE, INTENTS, PAIRS, COMMANDS, ORDERS, STOPS, CONTROL, LEASE, ALERTS, STATUS, DEAD)
BACKLOG_KEYS: Final = (CONTROL.key, ORDERS.key, PAIRS.key)
"""Who has not read these does not know how things are."""
_HOMES: Final = {message: stream for stream in TABLE for message in stream.types}

DEFAULT_GATEWAY: Final = "main"


ENTRY_FIELD: Final = "m"
"""The field of an entry that holds the envelope as JSON."""
BOOK_FIELD: Final = "k"
"""The field of a tick entry that names the book it replaces, so that a late reader can skip it."""


def key_of(stream: Stream, name: str = "") -> str:
    """Return the key of a stream; `name` is the group or gateway where it has several.

    Raises:
        ValueError: the stream has several keys and no name was given.
    """
    if "<name>" not in stream.key:
        return stream.key
    if not name:
        raise ValueError(f"stream {stream.name} needs the name of a group or gateway")
    return stream.key.replace("<name>", name)


def state_key(service: str) -> str:
    """Return the key of the hash that holds a service's state, positions and epoch."""
    return "{arb}:state:" + service


def aside_key(service: str, at_ms: int) -> str:
    """Return the key that a person moved a service's state to at a time (ms, Redis time)."""
    return f"{{arb}}:aside:{service}:{at_ms}"


def pattern_of(stream: Stream) -> str:
    """Return the glob that matches every key of a stream, for `SCAN`."""
    return stream.key.replace("<name>", "*")


def stream_of(key: str) -> tuple[Stream, str] | None:
    """Return the row of the table that a key belongs to, and its group or gateway name."""
    for stream in TABLE:
        before, several, after = stream.key.partition("<name>")
        if not several and key == stream.key:
            return stream, ""
        named = key.startswith(before) and key.endswith(after) and len(key) > len(before) + len(after)
        if several and named:
            return stream, key[len(before) : len(key) - len(after)]
    return None


def home_of(message: type[Message]) -> Stream:
    """Return the one stream that carries a message type.

    Raises:
        KeyError: no stream carries it.
    """
    try:
        return _HOMES[message]
    except KeyError:
        raise KeyError(f"no stream carries {message.__name__}") from None


SAID_KEY: Final = "{arb}:said"
"""The hash of what was said last of how things are by those that have no state: see `said.py`."""
PROBE_KEY: Final = "{arb}:probe"
"""Written for a moment to see whether Redis takes writes."""
SYSTEM_KEY: Final = "{arb}:system"
"""The hash that says which system the Redis belongs to: see `system.py`."""
START_KEY: Final = "{arb}:start"
"""Held by the one command that is starting services over this Redis."""
EVERY_KEY: Final = (
    *(pattern_of(stream) for stream in TABLE),
    state_key("*"),
    "{arb}:aside:*",
    SAID_KEY,
    PROBE_KEY,
    SYSTEM_KEY,
    START_KEY,
)
"""Globs that together match all that services write; `*` as a service stands for every state."""
