"""What the gateway does about the HALT files that its shell sees."""

from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.control import HaltFileSeen
from services.contracts.reasons import GateReason
from services.contracts.terms import Severity
from services.gateway import refusals
from services.gateway.facts import Clocked
from services.gateway.turn import Turn


def look(turn: Turn, fact: Clocked) -> None:
    """A person's file rings; the supervisor's own is laid around each restart, and it says why itself.

    Both can lie there: each is told, and its end. Risk counts a person's file as a stop.
    """
    was, entry, why = turn.state.rhythm, fact.halt_entry, fact.halt_why
    turn.set(rhythm=replace(was, halt_file=fact.halt_file, halt_entry=entry, halt_why=why))
    if entry != was.halt_entry:
        turn.alert(
            "halt-file", AlertCode.HALT_FILE, Severity.CRITICAL, {"file": entry or was.halt_entry},
            resolved=not entry,
        )  # fmt: skip
    if entry and entry != was.halt_entry:
        turn.say(HaltFileSeen(by="somebody", reason=f"the file is {entry}"))
    if bool(why) is not bool(was.halt_why):
        turn.alert(
            "halt-supervisor", AlertCode.HALT_BY_SUPERVISOR, Severity.INFO, {"problem": why},
            resolved=not why,
        )  # fmt: skip
    if fact.halt_file and not was.halt_file:
        refusals.deny_waiting(turn, GateReason.HALT_FILE, lambda order: True)
