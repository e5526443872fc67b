"""Who has confirmed which dates of a dated table, and how far the table is known at all.

Owns one invariant: nobody confirms what is not known. A confirmation lies within the dates of its table.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from services.contracts.reference import Checked, Frozen
from services.market.dates import to_trading_date


def a_person(name: str) -> str:
    """Return the name. Raises ValueError where it names nobody."""
    if not any(letter.isalpha() for letter in name):
        raise ValueError(f"{name!r} names nobody: write who has looked")
    return name


class Confirmation(Frozen):
    """One person held the rows in force on these dates, ends included, against the published ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    since: dt.date = Field(alias="from")
    through: dt.date
    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(a_person)]
    on: dt.date

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.through < self.since:
            raise ValueError(f"a confirmation holds from {self.since} on, not until {self.through}")
        return self


def refuse_strays(rows: Iterable[Confirmation], known_from: dt.date, known_through: dt.date) -> None:
    """Raise ValueError where a person confirms dates that the table does not know."""
    for row in rows:
        if row.since < known_from or row.through > known_through:
            raise ValueError(
                f"{row.by} confirms {row.since} to {row.through}, but the table knows {known_from} to "
                f"{known_through}; confirm what it knows, or add the rows first"
            )


def checked(day: dt.date, known_through: dt.date, rows: Iterable[Confirmation]) -> Checked:
    """How well the rules of a date are known: the newest confirmation that holds it names its person.

    One that is dated after the date itself does not count: nobody has looked yet.
    """
    holding = [row for row in rows if row.since <= day <= row.through and row.on <= day]
    newest = max(holding, key=lambda row: row.on, default=None)
    through = to_trading_date(known_through)
    return Checked(through=through) if newest is None else Checked(
        through=through, by=newest.by, on=newest.on.isoformat()
    )  # fmt: skip
