"""The windows of the gateway's process: the harmless are closed, the others wait for a person."""

import datetime as dt
from typing import Final

from services.contracts.alert_codes import AlertCode
from services.contracts.terms import Severity
from services.gateway.supervisor.dialogs import UNKNOWN, Action, DialogRule, rule_for
from services.gateway.supervisor.effects import Close
from services.gateway.supervisor.looks import Window
from services.gateway.supervisor.state import Seen, SupervisorState
from services.gateway.supervisor.turn import Turn

CLOSE_AGAIN_S: Final = 2
CLOSE_TRIES: Final = 4
"""A harmless window that does not go after so many tries waits for a person too."""


def waiting_for_person(state: SupervisorState) -> list[Window]:
    """Return the open windows that only a person can answer."""
    return [seen.window for seen in state.windows.values() if _needs_person(state, seen)]


def watch(turn: Turn) -> None:
    """Close what may be closed, tell of the rest, and of what has gone."""
    open_now = {window.handle: window for window in turn.look.windows}
    for handle, seen in turn.state.windows.items():
        if handle not in open_now:
            turn.over(_alert_id(seen.window), AlertCode.WINDOW_WAITS, {"window": _shown(seen.window)})
    known = turn.state.windows
    turn.set(
        windows={
            handle: known[handle] if handle in known and known[handle].window == window
            else Seen(window, turn.now_ns, date=turn.look.market_date)
            for handle, window in open_now.items()
        }
    )  # fmt: skip
    for handle in open_now:
        _handle(turn, handle)


def _handle(turn: Turn, handle: int) -> None:
    seen = turn.state.windows[handle]
    rule = _rule(turn.state, seen)
    if rule.action is Action.CLOSE and seen.tries < CLOSE_TRIES:
        _close(turn, seen, rule)
    if _needs_person(turn.state, turn.state.windows[handle]):
        turn.tell(
            _alert_id(seen.window), AlertCode.WINDOW_WAITS, Severity.CRITICAL,
            {"window": _shown(seen.window), "problem": rule.note},
        )  # fmt: skip


def _close(turn: Turn, seen: Seen, rule: DialogRule) -> None:
    if seen.closed_ns and not turn.passed(seen.closed_ns, CLOSE_AGAIN_S):
        return
    turn.do(Close(seen.window))
    tried = Seen(seen.window, seen.since_ns, turn.now_ns, seen.tries + 1, seen.date)
    turn.set(windows={**turn.state.windows, seen.window.handle: tried})
    once = f"{turn.look.market_date}-{_alert_id(seen.window)}"
    if once not in turn.state.reported:
        turn.set(reported=turn.state.reported | {once})
        turn.tell(
            f"closed-{once}", AlertCode.WINDOW_CLOSED, Severity.INFO,
            {"window": _shown(seen.window), "problem": rule.note},
        )  # fmt: skip


def _needs_person(state: SupervisorState, seen: Seen) -> bool:
    action = _rule(state, seen).action
    return action is Action.PERSON or (action is Action.CLOSE and seen.tries >= CLOSE_TRIES)


def _rule(state: SupervisorState, seen: Seen) -> DialogRule:
    try:
        date = dt.date.fromisoformat(seen.date)
    except ValueError:
        return UNKNOWN
    return rule_for(seen.window, state.settings.dialogs, date)


def _alert_id(window: Window) -> str:
    return f"window-{window.title.strip() or 'untitled'}"


def _shown(window: Window) -> str:
    text = " ".join(window.text.split())[:300]
    return f"[{window.title.strip()}] {text}".strip() + ("" if text.endswith(".") else ".")
