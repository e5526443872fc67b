"""The one envelope that every message travels in, and how it becomes bytes.

A message class is frozen, names its version, and ignores fields that a newer writer
added. Within a version only optional fields are added; anything else is a new version.
Configuration is the opposite: there an unknown key is an error.
"""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from services.contracts.ids import derive_id
from services.contracts.request_life import life_ms_of

MAX_MESSAGE_BYTES = 256 * 1024
"""What is larger is not ours, and every reader buries it. What could grow so far is bounded by its maker."""
MAP_BYTES = 208 * 1024
"""Of it the rows of the symbol map: some 1,500 with Korean names. Whoever reads a longer file refuses it."""
TABLE_BYTES = 24 * 1024
"""Of it the rows of the threshold table. Costs, limits, kept symbols and notes have the rest."""
FACT_CHARS = 8_000
"""Of one fact of an alert: a file with thousands of wrong lines is told by its first ones."""


class Unreadable(ValueError):
    """An entry that cannot be read: it goes to the dead stream with this reason."""


class NoEnvelope(Unreadable):
    """Nothing that any build of ours has written: not JSON, or a field of every message is missing."""


class Part(BaseModel):
    """A frozen value inside a message."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Message(Part):
    """Base of all messages. The class name is the wire type."""

    VERSION: ClassVar[int] = 1
    _registry: ClassVar[dict[str, type["Message"]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__name__.startswith("_"):
            return
        known = Message._registry.setdefault(cls.__name__, cls)
        if known is not cls and known.__module__ != cls.__module__:
            raise TypeError(
                f"two messages are called {cls.__name__}: {known.__module__} and {cls.__module__}"
            )

    @classmethod
    def registry(cls) -> dict[str, type["Message"]]:
        """Return all message classes by wire type."""
        return dict(Message._registry)


class Envelope(Part):
    """What surrounds a message on a stream.

    `correlation_id` is the pair (or the intent before there is one), `causation_id` the id of
    the message that caused this one; both are empty where there is none. `ts_event_ns` is when
    the thing happened and `ts_init_ns` when the message was made, both in Redis time. `life_ms` is how long
    a request holds from its entry's id on; 0 for what never expires, and for every request of a release
    that knew no lives.
    """

    type: str
    version: int
    id: str
    correlation_id: str
    causation_id: str
    ts_event_ns: int
    ts_init_ns: int
    source: str
    body: Any
    life_ms: int = 0

    @staticmethod
    def wrap(
        message: Message,
        *,
        source: str,
        now_ns: int,
        causation_id: str,
        ordinal: int = 0,
        correlation_id: str = "",
        event_ns: int | None = None,
    ) -> "Envelope":
        """Return `message` in an envelope whose id derives from its cause, writer and ordinal."""
        return Envelope(
            type=type(message).__name__,
            version=message.VERSION,
            id=derive_id(causation_id, source, ordinal, type(message).__name__),
            correlation_id=correlation_id,
            causation_id=causation_id,
            ts_event_ns=now_ns if event_ns is None else event_ns,
            ts_init_ns=now_ns,
            source=source,
            body=message,
            life_ms=life_ms_of(type(message).__name__),
        )

    def encode(self) -> str:
        """Return the JSON text that goes onto a stream."""
        return self.model_dump_json(exclude=None if self.life_ms else {"life_ms"})


def decode(text: str | bytes) -> Envelope:
    """Return the envelope with its typed body.

    Raises:
        NoEnvelope: not JSON, or without what every message has.
        Unreadable: too large, a field missing, an unknown type or version.
    """
    if len(text) > MAX_MESSAGE_BYTES:
        raise Unreadable(f"message of {len(text)} bytes, more than {MAX_MESSAGE_BYTES}")
    if text[:1] not in ("{", b"{"):
        raise NoEnvelope("not an envelope: no JSON object")
    try:
        envelope = Envelope.model_validate_json(text)
    except ValidationError as error:
        raise NoEnvelope(f"not an envelope: {_first_problem(error)}") from error
    message_class = Message._registry.get(envelope.type)
    if message_class is None:
        raise Unreadable(f"unknown type {envelope.type!r}")
    if envelope.version != message_class.VERSION:
        raise Unreadable(
            f"{envelope.type} version {envelope.version}; this build reads version {message_class.VERSION}"
        )
    try:
        body = message_class.model_validate(envelope.body, strict=False)
    except ValidationError as error:
        raise Unreadable(f"{envelope.type}: {_first_problem(error)}") from error
    return envelope.model_copy(update={"body": body})


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the whole"
    return f"{where}: {problem['msg']}"
