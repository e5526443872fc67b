"""What the core does about the log of intentions: it counts its lines, and tells of a disk that takes none
and of a file that is not the one written.

Owns that no entry is sent after the file was lost, until a process has read it from the disk.
"""

from collections.abc import Mapping
from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.terms import Severity
from services.gateway.facts import Clocked, SendReturned, SendWithheld
from services.gateway.turn import Turn


def told(turn: Turn, order_id: str, *, failed: bool) -> None:
    """Tell once that the log of intentions takes no line, and when it does again."""
    if failed is turn.state.rhythm.log_fails:
        return
    turn.set(rhythm=replace(turn.state.rhythm, log_fails=failed))
    turn.alert(
        "intention-log", AlertCode.LOG_UNWRITTEN, Severity.CRITICAL, {"order": order_id}, resolved=not failed
    )


def count(turn: Turn, fact: SendReturned | SendWithheld) -> None:
    if fact.logged:
        turn.set(logged_intents=turn.state.logged_intents + 1)


def look(turn: Turn, fact: Clocked) -> None:
    """The log's file was deleted, cut or replaced while it was open, and written anew from memory: what sells
    goes on. Entries wait for a process that has read it from the disk."""
    if fact.log_lost and not turn.state.log_gone:
        turn.set(log_gone=True)
        _lost_alert(turn, {"problem": fact.log_lost}, resolved=False)
    unkept = not fact.log_kept
    if unkept is not turn.state.rhythm.log_unkept:
        turn.set(rhythm=replace(turn.state.rhythm, log_unkept=unkept))
        told(turn, "the whole day", failed=unkept)


def read(turn: Turn) -> None:
    """This process has read the log whole: its loss, which the one before told, is over."""
    if turn.state.log_gone:
        turn.set(log_gone=False)
        _lost_alert(turn, {}, resolved=True)


def _lost_alert(turn: Turn, facts: Mapping[str, str], *, resolved: bool) -> None:
    turn.alert("log-lost", AlertCode.LOG_LOST, Severity.CRITICAL, facts, resolved=resolved)
