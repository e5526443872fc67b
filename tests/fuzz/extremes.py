"""Messages that are valid and yet nobody expects: the realistic examples, with values replaced.

Each starts as the example of its type, so that ids, symbols and dates still meet each other, and has up
to four of its values replaced by zero, a negative or a huge number, a far stamp, an unknown symbol, an
empty list, or the id of something else. What the contracts refuse is kept too: readers must bury it.
"""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from hypothesis import strategies as st

from services.contracts.envelope import Envelope, Message
from services.contracts.terms import (
    Latch,
    OrderKind,
    Purpose,
    SessionPhase,
    Side,
    TradingState,
    Venue,
)
from tests.contracts.examples import (
    BUY_ID,
    EXAMPLES,
    HASH,
    HYNIX,
    INTENT_ID,
    NOW_NS,
    PAIR_ID,
    SAMSUNG,
    SELL_ID,
)

Path = tuple[str | int, ...]

NUMBERS = (
    0, 1, -1, 2, 5, 50, 99, 100, 2_000, 71_000, 71_050, 356_500, -356_500,
    10**9, 2**31, -(2**31), 2**63, -(2**63), 10**30,
    NOW_NS, NOW_NS - 10**9, NOW_NS + 10**9, NOW_NS + 10**18, -NOW_NS,
)  # fmt: skip
_CLOSED_LISTS = (Venue, Side, OrderKind, Purpose, SessionPhase, TradingState, Latch)
WORDS: tuple[str, ...] = (
    "", " ", "005930", "000660", "0126Z0", "ZZZZZZ", "005930_NX", "2026-11-23", "2026-11-24", "2020-02-30",
    "tomorrow", PAIR_ID, INTENT_ID, BUY_ID, SELL_ID, HASH, "Pnobody", "Pnobody.1.s.1", "..", "a.b.c.d", "0-0",
    "9" * 30, "\x00", "👻" * 300,
    "clip_shares", "max_daily_loss_krw", "25:61:61", "123456",
    *(member.value for kind in _CLOSED_LISTS for member in kind),
)  # fmt: skip
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], 1.5, "1")


def paths_of(value: Any, at: Path = ()) -> Iterable[Path]:
    """Yield where each value of a JSON document is, containers included."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths_of(inner, (*at, key))


def replaced(document: Any, path: Path, value: Any) -> None:
    """Put `value` at `path` of a document, if that place is still there."""
    for step in path[:-1]:
        if not isinstance(document, dict | list) or (isinstance(document, dict) and step not in document):
            return
        if isinstance(document, list) and not (isinstance(step, int) and step < len(document)):
            return
        document = document[step]
    last = path[-1]
    if isinstance(document, dict) or (
        isinstance(document, list) and isinstance(last, int) and last < len(document)
    ):
        document[last] = value


@cache
def _shape(kind: str) -> tuple[str, tuple[Path, ...]]:
    text = EXAMPLES[kind].model_dump_json()
    return text, tuple(paths_of(json.loads(text)))


def values_for(old: Any) -> st.SearchStrategy[Any]:
    """Return values to replace `old` by: of its own type four times out of five."""
    if isinstance(old, bool):
        return st.booleans()
    if isinstance(old, int):
        return st.sampled_from(NUMBERS)
    if isinstance(old, str):
        return st.sampled_from(WORDS)
    if isinstance(old, list):
        return st.sampled_from([[], old * 2, old[:1], old * 30])
    if isinstance(old, dict):
        return st.sampled_from([{}, {key: old[key] for key in list(old)[:1]}])
    return st.sampled_from((*NUMBERS, *WORDS, None))


def at_path(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


@st.composite
def bodies(draw: st.DrawFn, kind: str, most: int = 4) -> Any:
    """Return the JSON document of an example with up to `most` values replaced."""
    text, paths = _shape(kind)
    document, original = json.loads(text), json.loads(text)
    for path in draw(st.lists(st.sampled_from(paths), max_size=most)) if paths else ():
        odd = draw(st.integers(0, 19)) == 0
        replaced(
            document, path, draw(st.sampled_from(OTHERS) if odd else values_for(at_path(original, path)))
        )
    return document


STAMPS = st.sampled_from((NOW_NS, NOW_NS - 200_000_000, NOW_NS + 10**9, 0, -1, NOW_NS + 10**18, 2**63))


@st.composite
def entries(draw: st.DrawFn, kinds: tuple[str, ...]) -> bytes:
    """Return what stands on a stream: an envelope around an extreme body of one of `kinds`."""
    kind = draw(st.sampled_from(kinds))
    envelope = {
        "type": kind,
        "version": EXAMPLES[kind].VERSION,
        "id": f"{draw(st.integers(0, 10**6)):020d}",
        "correlation_id": draw(st.sampled_from(("", PAIR_ID))),
        "causation_id": "",
        "ts_event_ns": draw(STAMPS),
        "ts_init_ns": NOW_NS,
        "source": "fuzz",
        "body": draw(bodies(kind)),
    }
    return json.dumps(envelope).encode()


def names(*kinds: type[Message]) -> tuple[str, ...]:
    return tuple(kind.__name__ for kind in kinds)


def enveloped(message: Message, now_ns: int, cause: str) -> Envelope:
    return Envelope.wrap(message, source="fuzz", now_ns=now_ns, causation_id=cause)


__all__ = ["HYNIX", "SAMSUNG", "at_path", "bodies", "entries", "enveloped", "names", "paths_of", "replaced"]
