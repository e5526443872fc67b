"""What the gateway does about the HALT files that its shell sees.

A person's file stops the desk besides the gateway: it disarms when it is laid and once more when it is gone.
So nothing leaves afterwards before somebody arms again, and no wish to sell from meanwhile is left over. A
halt from the stream stays.
"""

from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.control import StopRequested
from services.contracts.reasons import GateReason
from services.contracts.terms import Severity, TradingState
from services.gateway import refusals
from services.gateway.facts import Clocked
from services.gateway.turn import Turn

BY = "somebody"
"""Who laid or removed it is not known."""


def look(turn: Turn, fact: Clocked) -> None:
    """A person's file rings; the supervisor's own is laid around each restart, and it says why itself.

    Both can lie there: each is told, and its end. What a gateway before this one had seen is stored.
    """
    was, entry, why = turn.state.rhythm, fact.halt_entry, fact.halt_why
    turn.set(rhythm=replace(was, halt_file=fact.halt_file, halt_entry=entry, halt_why=why))
    if entry != was.halt_entry:
        turn.alert(
            "halt-file", AlertCode.HALT_FILE, Severity.CRITICAL, {"file": entry or was.halt_entry},
            resolved=not entry,
        )  # fmt: skip
    known = turn.state.control.word.halt_file
    if entry != known:
        _disarm(turn, entry, f"{entry} lies beside the gateway" if entry else f"{known} was removed")
    if bool(why) is not bool(was.halt_why):
        turn.alert(
            "halt-supervisor", AlertCode.HALT_BY_SUPERVISOR, Severity.INFO, {"problem": why},
            resolved=not why,
        )  # fmt: skip
    if fact.halt_file and not was.halt_file:
        refusals.deny_waiting(turn, GateReason.HALT_FILE, lambda order: True)


def _disarm(turn: Turn, entry: str, reason: str) -> None:
    """Stop here at once, also with Redis away, and let everybody know what lies there."""
    stop = StopRequested(target=TradingState.DISARMED, by=BY, reason=reason, halt_file=entry)
    control = turn.state.control
    word = control.word.after_own_stop(stop, turn.now_ns)
    turn.set(control=replace(control, word=word, flatten=frozenset()))
    turn.say(stop)
