"""A breach, and what an invariant is: a pure function that names the facts it needs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Flag, auto

from services.contracts.messages.control import ReferencePublished
from services.lab.record import Record


class Fact(Flag):
    """What a record may hold. An invariant judges the records that hold all that it needs."""

    MESSAGES = auto()
    """What the streams hold at the end, and what was ever written as far as anybody saw it."""
    REFERENCE = auto()
    """What was in force when decisions were made, as it was published."""
    SENDS = auto()
    """What left the gateway, with what held at that moment."""
    BROKER = auto()
    """The broker's books at the end."""
    CROSSES = auto()
    """The crosses that stood in the true books."""
    OBSERVED = auto()
    """What somebody saw who was there in every step."""


@dataclass(frozen=True, slots=True)
class Breach:
    """`at_ns` is when it happened, 0 where it holds for the whole day."""

    code: str
    at_ns: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.code} {self.sentence}"


Found = str | tuple[int, str]
"""A sentence, or one with its time in ns."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """`name` is its function's; `promise` the first line of what it says of itself."""

    code: str
    needs: Fact
    judge: Callable[[Record], Iterable[Found]]

    @property
    def name(self) -> str:
        return self.judge.__name__

    @property
    def promise(self) -> str:
        return (self.judge.__doc__ or "").partition("\n\n")[0]

    def __call__(self, record: Record) -> list[Breach]:
        """Return the breaches; none where the record lacks what the invariant needs."""
        if self.needs not in facts_of(record):
            return []
        return [self._breach(found) for found in self.judge(record)]

    def _breach(self, found: Found) -> Breach:
        at_ns, sentence = (0, found) if isinstance(found, str) else found
        return Breach(self.code, at_ns, sentence)


def invariant(code: str, needs: Fact) -> Callable[[Callable[[Record], Iterator[Found]]], Invariant]:
    """Make a generator of sentences an invariant."""
    return lambda judge: Invariant(code, needs, judge)


def facts_of(record: Record) -> Fact:
    """Return what a record holds."""
    facts = Fact.MESSAGES
    if any(isinstance(envelope.body, ReferencePublished) for envelope in record.kept.values()):
        facts |= Fact.REFERENCE
    if record.observed:
        facts |= Fact.OBSERVED | Fact.SENDS
    if record.books is not None:
        facts |= Fact.BROKER
        if record.books.crosses is not None:
            facts |= Fact.CROSSES
    return facts
