"""The faults of `mutants.toml`: small changes of money-critical code that some test has to notice."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("mutants.toml")


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` stands once in `file`, and `new` is put in its place.

    `harmless` says why the fast suite may let it live, empty where it must not; `no_day` why no simulated day
    can notice it, empty where one could.
    """

    name: str
    file: str
    old: str
    new: str
    harmless: str = ""
    no_day: str = ""

    @property
    def room(self) -> str:
        """The package of the file: contracts, runtime, gateway, ..."""
        return self.file.split("/")[1]

    def planted(self, text: str) -> str:
        """Return the file's text with the fault in it. Raises ValueError where `old` does not stand once."""
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: its old text stands {count} times in {self.file}")
        return text.replace(self.old, self.new)


def catalogue() -> list[Mutant]:
    with FILE.open("rb") as file:
        return [Mutant(**row) for row in tomllib.load(file)["mutant"]]
