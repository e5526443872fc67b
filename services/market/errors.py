"""What can be wrong with the market's tables, said so that a person can mend it."""

from dataclasses import dataclass


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


class SymbolMapError(ConfigError):
    """The symbol map, the pilot list or the listing is unusable; nothing of it was taken."""


class NotCovered(Exception):
    """A date lies outside a dated table: nothing may be traded on it until the table is extended."""

    def __init__(self, table: str, date: str, covered_from: str, covered_through: str) -> None:
        self.table = table
        self.date = date
        super().__init__(
            f"{table} covers {covered_from} to {covered_through}, not {date}: "
            f"check the rules of that date against the exchange's and the broker's notices, "
            f"add them to the file and move covered_through"
        )
