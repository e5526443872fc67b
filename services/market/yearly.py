"""Closed dates that follow from a fixed rule, for years whose list is not published yet.

What the moon or a decree fixes is not among them: Seollal, Buddha's birthday, Chuseok, elections and the
exam day. Such a day is taken for a normal one, and everything computed for it is provisional.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from services.contracts.reference import Frozen

SATURDAY = 5
_ONE_DAY = dt.timedelta(days=1)


class Moved(StrEnum):
    """What becomes of a closed date that falls on a weekend."""

    NOT = "not"
    ON = "on"
    BACK = "back"


class YearlyClosing(Frozen):
    """A date of every year on which nothing trades, and where it goes when it falls on a weekend."""

    month: Annotated[int, Field(ge=1, le=12)]
    day: Annotated[int, Field(ge=1, le=31)]
    why: Annotated[str, Field(min_length=1)]
    moved: Moved = Moved.NOT

    @model_validator(mode="after")
    def _is_a_date_of_every_year(self) -> Self:
        try:
            self.of_year(2001)
        except ValueError as error:
            raise ValueError(f"{self.month}-{self.day} is no date of every year") from error
        return self

    def of_year(self, year: int) -> dt.date:
        return dt.date(year, self.month, self.day)


def closed_weekdays(rules: Sequence[YearlyClosing], year: int) -> frozenset[dt.date]:
    """The weekdays of a year on which nothing trades by these rules.

    A holiday of a weekend goes to the next weekday that is no other holiday (market rules 1.5), the last
    day of the year to the weekday before it (1.4).
    """
    taken = {rule.of_year(year) for rule in rules}
    for rule in sorted(rules, key=lambda rule: (rule.month, rule.day)):
        taken.update(_substitute(rule, year, taken))
    return frozenset(day for day in taken if day.weekday() < SATURDAY)


def first_weekday_open(closed: frozenset[dt.date], year: int) -> dt.date:
    """The first date of a year on which the exchanges open."""
    day = dt.date(year, 1, 1)
    while day.weekday() >= SATURDAY or day in closed:
        day += _ONE_DAY
    return day


def _substitute(rule: YearlyClosing, year: int, taken: set[dt.date]) -> Iterator[dt.date]:
    day = rule.of_year(year)
    if rule.moved is Moved.NOT or day.weekday() < SATURDAY:
        return
    step = _ONE_DAY if rule.moved is Moved.ON else -_ONE_DAY
    while day.weekday() >= SATURDAY or day in taken:
        day += step
    yield day
