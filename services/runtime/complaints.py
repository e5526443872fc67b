"""What the loop says of itself: a core that fails, a Redis that is away or empty. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.envelope import Message
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import StopRequested
from services.contracts.messages.status import KeysVanished
from services.contracts.terms import Severity, TradingState

_PROBLEM_CHARS = 600


@dataclass(frozen=True, slots=True)
class Outage:
    """Since when Redis has not taken what was written (monotonic seconds), and what it said first."""

    since_s: float
    because: str


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


def streams_anew(service: str, keys: Sequence[str]) -> tuple[Message, Message]:
    """Streams were deleted and begin anew: for people, and for risk."""
    streams = ", ".join(keys)
    facts: dict[str, int | str] = {"service": service, "stream": streams}
    alert = raised(AlertCode.STREAM_ANEW, f"anew-{service}", Severity.WARNING, facts)
    return alert, KeysVanished(service=service, detail=f"{streams} ended before what was read there")


def left_out(service: str, key: str, *, over: bool) -> AlertRaised:
    """Redis does not take what is said on one stream, or takes it again."""
    facts: dict[str, int | str] = {"service": service, "stream": key}
    return raised(
        AlertCode.OUTPUT_LEFT_OUT, f"left-out-{service}-{key}", Severity.CRITICAL, facts, resolved=over
    )


def unwritable(service: str, problem: str, *, stops: bool) -> tuple[Message, ...]:
    """Redis does not take what a step must write: the process ends; where it trades, the desk halts first."""
    facts: dict[str, int | str] = {"service": service, "problem": problem[:_PROBLEM_CHARS]}
    alert = raised(AlertCode.UNWRITABLE, f"unwritable-{service}", Severity.CRITICAL, facts)
    halt = StopRequested(target=TradingState.HALTED, by=service, reason=problem[:_PROBLEM_CHARS])
    return (halt, alert) if stops else (alert,)


def commits_ahead(service: str) -> tuple[Message, ...]:
    """Redis holds commits of this service that this process did not make."""
    return (raised(AlertCode.COMMITS_AHEAD, f"ahead-{service}", Severity.CRITICAL, {"service": service}),)
