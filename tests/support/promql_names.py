"""Which metrics and labels a PromQL expression names, as far as a reader with a tokenizer can tell."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.contracts.metric import Kind, Metric
from services.contracts.metrics import BY_NAME

_TOKEN: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<other>\[[^\]]*\]|[^\s])'
)
_GROUPING: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_SUFFIXES: Final = ("_bucket", "_sum", "_count")
TARGET_LABELS: Final = frozenset({"job", "instance", "service", "group"})


@dataclass(frozen=True)
class Selector:
    """A metric that an expression names, with the labels it is chosen by and the values compared exactly."""

    name: str
    labels: tuple[str, ...]
    exact: tuple[tuple[str, str], ...]


def selectors(expression: str) -> Iterator[Selector]:
    """Yield every selector of an expression; words of the language are not."""
    tokens = list(_TOKEN.finditer(expression))
    place = 0
    while place < len(tokens):
        name = tokens[place]["name"]
        place += 1
        following = tokens[place].group() if place < len(tokens) else ""
        if name is None:
            continue
        if name in _GROUPING:
            place = _after(tokens, place, "(", ")")
        elif following == "{":
            end = _after(tokens, place, "{", "}")
            yield _selector(name, expression[tokens[place].end() : tokens[end - 1].start()])
            place = end
        elif following != "(" and re.match(r"(arb|up$|ALERTS$|prometheus_|alertmanager_)", name):
            yield Selector(name, (), ())


def metric_of(name: str) -> Metric | None:
    """Return the row of the table that a series belongs to: itself, or its histogram."""
    if name in BY_NAME:
        return None if BY_NAME[name].kind is Kind.HISTOGRAM else BY_NAME[name]
    for suffix in _SUFFIXES:
        owner = BY_NAME.get(name.removesuffix(suffix))
        if name.endswith(suffix) and owner is not None and owner.kind is Kind.HISTOGRAM:
            return owner
    return None


def _selector(name: str, inside: str) -> Selector:
    found = re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', inside)
    return Selector(
        name,
        tuple(label for label, _, _ in found),
        tuple((label, value) for label, sign, value in found if sign == "=" and "$" not in value),
    )


def _after(tokens: list[re.Match[str]], place: int, opening: str, closing: str) -> int:
    """Return the place after the bracket that closes the one at `place`; `place` itself without one."""
    if place >= len(tokens) or tokens[place].group() != opening:
        return place
    while tokens[place].group() != closing:
        place += 1
    return place + 1
