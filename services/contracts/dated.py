"""What is known of a trading date, in the same words wherever it is asked for."""

from enum import StrEnum

from services.contracts.envelope import Part
from services.contracts.terms import GatewayMode


class DateSubject(StrEnum):
    """What a date must have before anything trades on it."""

    COSTS = "costs"
    CALENDAR = "calendar"
    ORDER_CODES = "order codes"
    ELIGIBILITY = "eligibility"


class Standing(StrEnum):
    """How well it is known."""

    CONFIRMED = "confirmed"
    """Published, and a named person has held our table against it."""
    UNCONFIRMED = "unconfirmed"
    """Published, and nobody has put a name to it."""
    PROVISIONAL = "provisional"
    """Not published yet: computed by the last known rule."""
    MISSING = "missing"
    """Not known, and nothing stands in for it: no mode enters without it."""
    PENDING = "pending"
    """The broker tells it on the day."""


class DateFinding(Part):
    """One subject of one date: how well it is known, in a sentence, and what a person does about it."""

    subject: DateSubject
    standing: Standing
    detail: str
    mend: str = ""

    @property
    def provisional(self) -> bool:
        return self.standing is Standing.PROVISIONAL

    @property
    def warns(self) -> bool:
        """Whether somebody should look at it whatever the mode."""
        return self.standing in (Standing.PROVISIONAL, Standing.MISSING)

    def bars(self, mode: GatewayMode) -> bool:
        """Whether no entry may be sent in `mode`: live trading needs what a named person has confirmed."""
        if self.standing in (Standing.UNCONFIRMED, Standing.PROVISIONAL):
            return mode is GatewayMode.LIVE
        return self.standing is Standing.MISSING

    @property
    def sentence(self) -> str:
        return f"{self.subject}: {self.detail}"
