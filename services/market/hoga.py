"""The broker's codes for an order: how it meets the book (`sHogaGb`) and what it does (`nOrderType`).

Owns the invariant that an order kind is sent only to a venue and in a phase for which its code is
known and enabled: everything else is `NoSuchOrderKind`, in words a person can act on.
"""

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator

from services.contracts.reference import Frozen
from services.contracts.terms import OrderKind, SessionPhase, Side, Venue
from services.market.confirmed import a_person


class NoSuchOrderKind(Exception):
    """A venue takes no such order in that phase, or its code is not known or not enabled."""


class OrderAction(StrEnum):
    NEW = "new"
    CANCEL = "cancel"
    AMEND = "amend"


KNOWN_CODES: Final[Mapping[str, OrderKind | None]] = {
    "00": OrderKind.LIMIT, "03": OrderKind.MARKET, "10": OrderKind.LIMIT_IOC,
    **dict.fromkeys(["05", "06", "07", "13", "16", "20", "23", "26", "28", "29"]),
    **dict.fromkeys(["30", "31", "61", "62", "81"]),
}  # fmt: skip
"""What the broker's codes mean, None for a kind that is never sent (Kiwoom sheet 4.4)."""


class HogaRow(Frozen):
    """The code of one order kind on one venue in some phases; no code means that it is not known.

    `confirmed_by` names the person or the published document that the venue takes it by, `confirmed_on` the
    date. A row without both is used against the simulator alone (`confirmed`).
    """

    venue: Venue
    phases: Annotated[tuple[SessionPhase, ...], Field(min_length=1)]
    kind: OrderKind
    hoga: Annotated[str, Field(pattern=r"^[0-9]{2}$")] | None = None
    enabled: bool
    why: str = ""
    confirmed_by: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    confirmed_on: dt.date | None = None

    @model_validator(mode="after")
    def _enabled_means_known(self) -> Self:
        if self.enabled and self.hoga is None:
            raise ValueError(f"{self.venue} {self.kind} is enabled but its hoga code is not given")
        if not self.enabled and not self.why:
            raise ValueError(f"{self.venue} {self.kind} is not enabled: say why")
        if bool(self.confirmed_by) is not (self.confirmed_on is not None):
            raise ValueError(f"{self.venue} {self.kind}: give confirmed_by and confirmed_on, or neither")
        if self.confirmed_by:
            a_person(self.confirmed_by)
        means = KNOWN_CODES.get(self.hoga or "", self.kind)
        if means is not self.kind:
            raise ValueError(
                f"hoga {self.hoga} is the broker's code for {means or 'another kind'}, not {self.kind}"
            )
        if self.enabled and self.hoga not in KNOWN_CODES and not self.confirmed_by:
            raise ValueError(
                f"hoga {self.hoga} is no known code: try one share, then give confirmed_by and _on"
            )
        return self

    def off(self, why: str) -> Self:
        return self.model_copy(update={"enabled": False, "why": why})


class HogaTable(Frozen):
    """`hoga.toml`: one row per venue, phases and order kind. What no row names, the venue refuses."""

    code: Annotated[tuple[HogaRow, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_case_once(self) -> Self:
        cases = [(row.venue, phase, row.kind) for row in self.code for phase in row.phases]
        for venue, phase, kind in cases:
            if cases.count((venue, phase, kind)) > 1:
                raise ValueError(f"{kind} on {venue} in {phase} is given more than once")
        return self

    def hoga_code(self, venue: Venue, phase: SessionPhase, kind: OrderKind) -> str:
        """The `sHogaGb` of an order (Kiwoom sheet 4.4). Raises NoSuchOrderKind."""
        order = f"a {kind} order on {venue} in {phase}"
        row = self._row(venue, phase, kind)
        if row is None:
            raise NoSuchOrderKind(f"{venue} takes no {kind} order in {phase}")
        if row.hoga is None:
            raise NoSuchOrderKind(f"{order} has no known broker code: {row.why}")
        if not row.enabled:
            raise NoSuchOrderKind(f"{order} is not enabled in hoga.toml: {row.why}")
        return row.hoga

    def kinds(self, venue: Venue, phase: SessionPhase) -> frozenset[OrderKind]:
        """The order kinds that may be sent to a venue in a phase."""
        rows = ((kind, self._row(venue, phase, kind)) for kind in OrderKind)
        return frozenset(kind for kind, row in rows if row is not None and row.enabled)

    def confirmed(self) -> Self:
        """The table with every kind switched off that nobody has confirmed: what live trading may use."""
        why = "nobody has confirmed it with an order: give confirmed_by and confirmed_on"
        rows = (row if row.confirmed_by or not row.enabled else row.off(why) for row in self.code)
        return self.model_copy(update={"code": tuple(rows)})

    def without(self, venue: Venue, phase: SessionPhase, kind: OrderKind, why: str) -> Self:
        """The table with one kind switched off on a venue in one phase."""
        rows: list[HogaRow] = []
        for row in self.code:
            if row.venue is not venue or row.kind is not kind or phase not in row.phases:
                rows.append(row)
                continue
            rows.append(row.model_copy(update={"phases": (phase,)}).off(why))
            others = tuple(one for one in row.phases if one is not phase)
            if others:
                rows.append(row.model_copy(update={"phases": others}))
        return self.model_copy(update={"code": tuple(rows)})

    def _row(self, venue: Venue, phase: SessionPhase, kind: OrderKind) -> HogaRow | None:
        for row in self.code:
            if row.venue is venue and row.kind is kind and phase in row.phases:
                return row
        return None


_ORDER_TYPES: dict[tuple[Venue, OrderAction, Side], int] = {
    (Venue.KRX, OrderAction.NEW, Side.BUY): 1,
    (Venue.KRX, OrderAction.NEW, Side.SELL): 2,
    (Venue.KRX, OrderAction.CANCEL, Side.BUY): 3,
    (Venue.KRX, OrderAction.CANCEL, Side.SELL): 4,
    (Venue.KRX, OrderAction.AMEND, Side.BUY): 5,
    (Venue.KRX, OrderAction.AMEND, Side.SELL): 6,
    (Venue.NXT, OrderAction.NEW, Side.BUY): 21,
    (Venue.NXT, OrderAction.NEW, Side.SELL): 22,
    (Venue.NXT, OrderAction.CANCEL, Side.BUY): 23,
    (Venue.NXT, OrderAction.CANCEL, Side.SELL): 23,
    (Venue.NXT, OrderAction.AMEND, Side.BUY): 25,
    (Venue.NXT, OrderAction.AMEND, Side.SELL): 25,
}


def order_type(venue: Venue, action: OrderAction, side: Side) -> int:
    """The `nOrderType` of an action; NXT has one code for both sides of a cancel and of an amend
    (Kiwoom sheet 4.3). For a cancel or amend, `side` is that of the original order."""
    return _ORDER_TYPES[venue, action, side]
