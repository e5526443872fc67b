"""What the server sends the control: the events of the control, before their text is read."""

from dataclasses import dataclass, field
from typing import Any

from services.simulator.frames import Frame, from_wire, kind_of, to_wire

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Connected:
    """OnEventConnect."""

    error: int


@dataclass(frozen=True, slots=True)
class Answered:
    """OnReceiveTrData, with the data that the event makes readable."""

    screen: str
    rqname: str
    trcode: str
    record: str
    more: bool = False
    single: Row = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Told:
    """OnReceiveMsg."""

    screen: str
    rqname: str
    trcode: str
    text: str


@dataclass(frozen=True, slots=True)
class Ticked:
    """OnReceiveRealData."""

    code: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class Chejan:
    """OnReceiveChejanData: gubun 0 order and fill, 1 balance. Values by FID, in the order sent."""

    gubun: str
    values: Row


@dataclass(frozen=True, slots=True)
class ConditionsLoaded:
    """OnReceiveConditionVer. The account has no stored conditions."""

    ok: int
    text: str


@dataclass(frozen=True, slots=True)
class Troubled:
    """No event of the control: something befalls its process (`trouble.befall`).

    `amount` is ms for a hang, MB for a leak.
    """

    kind: str
    amount: int = 0
    title: str = ""
    text: str = ""


Event = Connected | Answered | Told | Ticked | Chejan | ConditionsLoaded | Troubled

_SHAPES: dict[str, Any] = {
    "connect": Connected,
    "tr": Answered,
    "msg": Told,
    "chejan": Chejan,
    "conditions": ConditionsLoaded,
    "trouble": Troubled,
}
_NAMES = {shape: name for name, shape in _SHAPES.items()}


def event_to_wire(event: Event) -> dict[str, Any]:
    """One JSON-like object with the key `event`."""
    if isinstance(event, Ticked):
        kind = kind_of(event.frame)
        return {"event": "real", "code": event.code, "kind": kind, "frame": to_wire(event.frame)}
    body = {name: getattr(event, name) for name in event.__slots__}
    return {"event": _NAMES[type(event)], **body}


def event_from_wire(data: dict[str, Any]) -> Event:
    """The event again. Raises KeyError or TypeError on what `event_to_wire` did not make."""
    body = dict(data)
    name = body.pop("event")
    if name == "real":
        return Ticked(body["code"], from_wire(body["kind"], body["frame"]))
    shape = _SHAPES[name]
    event: Event = shape(**body)
    return event
