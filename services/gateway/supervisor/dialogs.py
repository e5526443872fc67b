"""Which windows of the broker's control are harmless, by date: `[[dialogs]]` in config/supervisor.toml.

A window that no rule knows may be anything, and waits for a person with trading stopped. The control's
dialogs are modal: until they are closed, its process does nothing (Kiwoom sheet 5.3, 8.2).
"""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from services.contracts.reference import Frozen
from services.gateway.supervisor.looks import Window


class Action(StrEnum):
    CLOSE = "close"
    """Harmless: closed, and reported once a day."""
    PERSON = "person"
    """Somebody has to look; trading stops until it is gone."""
    IGNORE = "ignore"
    """Belongs to a normal start, and goes by itself."""


class DialogRule(Frozen):
    """One row. `title` is the whole title, `text` a part of the window's text; empty fits any."""

    since: dt.date
    until: dt.date | None = None
    title: str = ""
    text: str = ""
    action: Action
    note: str = Field(min_length=1)
    """What it is, and for `person` what to do: said in the alert."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.title and not self.text:
            raise ValueError("a rule needs a title or a text; one with neither would fit every window")
        if self.until is not None and self.until < self.since:
            raise ValueError(f"until {self.until} lies before since {self.since}")
        return self

    def fits(self, window: Window, date: dt.date) -> bool:
        in_force = self.since <= date and (self.until is None or date <= self.until)
        titled = not self.title or self.title == window.title.strip()
        return in_force and titled and _words(self.text) in _words(window.text)


UNKNOWN = DialogRule(
    since=dt.date.min, title="?", action=Action.PERSON,
    note="No rule in config/supervisor.toml knows this window. Look at it on the Windows machine.",
)  # fmt: skip


def rule_for(window: Window, rules: Sequence[DialogRule], date: dt.date) -> DialogRule:
    """Return the newest rule in force that fits; of two of one day the stricter; else `UNKNOWN`."""
    found = [rule for rule in rules if rule.fits(window, date)]
    strictness = (Action.IGNORE, Action.CLOSE, Action.PERSON)
    return max(found, key=lambda rule: (rule.since, strictness.index(rule.action)), default=UNKNOWN)


def _words(text: str) -> str:
    return " ".join(text.split())
