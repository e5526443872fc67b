"""What the loop says of itself: a core that fails, a Redis that is away or empty. Pure."""

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.envelope import Message
from services.contracts.messages.status import KeysVanished
from services.contracts.terms import Severity

_PROBLEM_CHARS = 600


def tick_failing(service: str, problem: str, *, over: bool) -> tuple[Message, ...]:
    """The core fails at ticks, or is `over` it."""
    facts: dict[str, int | str] = {"service": service, "problem": problem}
    return (raised(AlertCode.TICK_FAILING, f"tick-{service}", Severity.CRITICAL, facts, resolved=over),)


def bus_outage(service: str, epoch: int, seconds: float, because: str) -> tuple[Message, ...]:
    """For a while nothing could be read or written."""
    facts: dict[str, int | str] = {"service": service, "gap": int(seconds * 1_000), "problem": because}
    return (raised(AlertCode.BUS_OUTAGE, f"bus-{service}-{epoch}", Severity.WARNING, facts),)


def bus_lost(service: str, *, emptied: bool) -> tuple[Message, Message]:
    """Redis had lost the last commits of this service, or all of them: for people, and for risk."""
    if emptied:
        alert = raised(AlertCode.BUS_EMPTIED, f"emptied-{service}", Severity.CRITICAL, {"service": service})
        detail = "Redis came back empty and was filled from memory"
    else:
        alert = raised(
            AlertCode.BUS_ROLLED_BACK, f"rolled-back-{service}", Severity.WARNING, {"service": service}
        )
        detail = "Redis came back without its last writes; they were written again from memory"
    return alert, KeysVanished(service=service, detail=detail, emptied=emptied)


def state_unreadable(service: str, problem: str) -> tuple[Message, ...]:
    """A start ended: what is stored of this service cannot be read."""
    facts: dict[str, int | str] = {"service": service, "problem": problem[:_PROBLEM_CHARS]}
    return (raised(AlertCode.STATE_UNREADABLE, f"state-{service}", Severity.CRITICAL, facts),)


def commits_ahead(service: str) -> tuple[Message, ...]:
    """Redis holds commits of this service that this process did not make."""
    return (raised(AlertCode.COMMITS_AHEAD, f"ahead-{service}", Severity.CRITICAL, {"service": service}),)
