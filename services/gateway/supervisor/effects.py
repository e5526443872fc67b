"""What the supervisor wants done, in order."""

from dataclasses import dataclass

from services.contracts.messages.alerts import AlertRaised
from services.gateway.supervisor.looks import Window


@dataclass(frozen=True, slots=True)
class Start:
    """Start a gateway. Only ever asked for while a HALT file lies there."""


@dataclass(frozen=True, slots=True)
class AskToStop:
    """Ask the gateway to end by itself: it drops registrations and control, and writes what it has said."""


@dataclass(frozen=True, slots=True)
class Kill:
    """End the process and what it started, at once."""


@dataclass(frozen=True, slots=True)
class LayHalt:
    why: str


@dataclass(frozen=True, slots=True)
class LiftHalt:
    """Remove the supervisor's own HALT file; never a person's."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close one window as its own close button would: never an OK, so nothing is confirmed."""

    window: Window


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell people. `with_log`: the gateway's last lines go with it."""

    alert: AlertRaised
    with_log: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """End the supervisor; the gateway has ended before."""


Effect = Start | AskToStop | Kill | LayHalt | LiftHalt | Close | Tell | Finish
