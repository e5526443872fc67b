"""What can be wrong with the market's tables, said so that a person can mend it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a file: where it is, what it is, how to mend it. `where` is a line or a key."""

    file: str
    where: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.file}, {self.where}: {self.what}. Mend: {self.mend}"


class ConfigError(Exception):
    """Files under the configuration directory are unusable; lists every problem found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class LimitsRefused(ConfigError):
    """The limits are unusable. `known` are the values of them that can be meant, by name."""

    def __init__(self, problems: tuple[Problem, ...], known: Mapping[str, Any]) -> None:
        self.known = known
        super().__init__(problems)


class SymbolMapError(ConfigError):
    """The symbol map, the pilot list or the listing is unusable; nothing of it was taken."""


class NotCovered(Exception):
    """A date lies before a dated table: what held then was never written down."""

    def __init__(self, table: str, date: str, covered_from: str) -> None:
        self.table = table
        self.date = date
        super().__init__(
            f"{table} begins on {covered_from} and says nothing of {date}: "
            f"choose a later date, or add the rules of that one to the file and move covered_from"
        )
