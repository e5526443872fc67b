"""What is kept beside the streams: the newest message of each kind that tells how things are.

A stream is read from its end, and its end may hold anything else. Who asks how things are reads them here.
Each such message is kept under a field of its service's state hash, written with the commit that says it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from services.contracts.envelope import Message
from services.contracts.messages.control import ReferencePublished, TradingStateChanged
from services.contracts.messages.orders import AccountReported, ReconciliationCompleted
from services.contracts.messages.status import (
    DetectorStatus,
    ExecutorStatus,
    GatewayStatus,
    Heartbeat,
    NotifierStatus,
    RiskStatus,
)
from services.contracts.messages.supervision import SupervisorStatus
from services.contracts.messages.venue_state import (
    ConnectionChanged,
    EntryWindowChanged,
    FeedLivenessChanged,
    SessionPhaseChanged,
)

SAID: Final = "said:"
"""What such a field of a hash begins with."""

_KEPT: Final[Mapping[type[Message], Callable[[Any], str]]] = {
    Heartbeat: lambda message: message.service,
    GatewayStatus: lambda message: "",
    DetectorStatus: lambda message: message.group,
    RiskStatus: lambda message: "",
    ExecutorStatus: lambda message: "",
    NotifierStatus: lambda message: "",
    SupervisorStatus: lambda message: message.name,
    SessionPhaseChanged: lambda message: message.venue,
    FeedLivenessChanged: lambda message: message.venue,
    EntryWindowChanged: lambda message: "",
    ConnectionChanged: lambda message: "",
    ReconciliationCompleted: lambda message: "",
    AccountReported: lambda message: "",
    ReferencePublished: lambda message: "",
    TradingStateChanged: lambda message: "",
}


def said_field(message: Message) -> str:
    """Return the field that keeps a message until the next one of its kind, empty where none does."""
    kind = type(message)
    of_what = _KEPT.get(kind)
    if of_what is None:
        return ""
    return f"{SAID}{kind.__name__}:{of_what(message)}".rstrip(":")
