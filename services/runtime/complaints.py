"""What the loop says of itself: an entry given up, a core that fails, a Redis that is away or empty. Pure."""

import re
from typing import Final

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.envelope import Message
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.status import KeysVanished
from services.contracts.terms import Severity
from services.runtime.bus import Entry

_PAIR_ID: Final = re.compile(r'"pair_id"\s*:\s*"([^"]{1,80})"')


def buried(service: str, entry: Entry, reason: str, tries: int) -> tuple[Message, ...]:
    """The entry itself for the dead stream, and the alert."""
    text = entry.text.decode(errors="replace")
    dead = EntryBuried(
        stream_key=entry.key, entry_id=entry.entry_id, service=service, reason=reason, tries=tries, text=text
    )
    alert = raised(
        AlertCode.DEAD_LETTER, f"dead-{service}-{entry.entry_id}", Severity.CRITICAL,
        {"service": service, "stream": entry.key, "entry": entry.entry_id, "problem": reason},
        pair_id=_pair_of(text),
    )  # fmt: skip
    return dead, alert


def _pair_of(text: str) -> str:
    """The pair that an entry names, empty where it names none: a closed one is named by nobody else."""
    found = _PAIR_ID.search(text)
    return found[1] if found else ""


def tick_failing(service: str, problem: str, *, over: bool) -> tuple[Message, ...]:
    """The core fails at ticks, or is `over` it."""
    facts: dict[str, int | str] = {"service": service, "problem": problem}
    return (raised(AlertCode.TICK_FAILING, f"tick-{service}", Severity.CRITICAL, facts, resolved=over),)


def bus_outage(service: str, epoch: int, seconds: float, because: str) -> tuple[Message, ...]:
    """For a while nothing could be read or written."""
    facts: dict[str, int | str] = {"service": service, "gap": int(seconds * 1_000), "problem": because}
    return (raised(AlertCode.BUS_OUTAGE, f"bus-{service}-{epoch}", Severity.WARNING, facts),)


def bus_emptied(service: str) -> tuple[Message, ...]:
    """Redis had lost everything of this service: for people, and for risk."""
    alert = raised(AlertCode.BUS_EMPTIED, f"emptied-{service}", Severity.CRITICAL, {"service": service})
    detail = "Redis came back empty and was filled from memory"
    return alert, KeysVanished(service=service, detail=detail)
