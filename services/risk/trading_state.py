"""The trading state: which request leads where, and what arming needs.

Down is always open. Up to a state that only sells is a person's own decision. Up to armed needs every
latch lifted and every gate open that must be open to arm; a gate that opens by the clock need not be.
A latch takes an armed desk down to reduce only: what is held is sold, nothing more is bought.
"""

from collections.abc import Mapping
from enum import StrEnum

from services.contracts.terms import TradingState

DISARMED, HALTED = TradingState.DISARMED, TradingState.HALTED
REDUCE_ONLY, PAUSE_ENTRY, ARMED = TradingState.REDUCE_ONLY, TradingState.PAUSE_ENTRY, TradingState.ARMED


class Move(StrEnum):
    """What a request does: SAME says it again, FREE is obeyed, GUARDED needs latches and gates open."""

    SAME = "same"
    FREE = "free"
    GUARDED = "guarded"


_TO_ANY = {
    DISARMED: Move.FREE,
    HALTED: Move.FREE,
    REDUCE_ONLY: Move.FREE,
    PAUSE_ENTRY: Move.FREE,
    ARMED: Move.GUARDED,
}

TRANSITIONS: Mapping[TradingState, Mapping[TradingState, Move]] = {
    state: {**_TO_ANY, state: Move.SAME} for state in TradingState
}
"""By the state in force, then by the state asked for. Every pair of states is in it."""

AFTER_LATCH: Mapping[TradingState, TradingState] = {
    DISARMED: DISARMED,
    HALTED: HALTED,
    REDUCE_ONLY: REDUCE_ONLY,
    PAUSE_ENTRY: REDUCE_ONLY,
    ARMED: REDUCE_ONLY,
}
"""Where a new latch leaves each state."""


def target_state(state: TradingState, asked: TradingState, obstacles: tuple[str, ...]) -> TradingState | None:
    """Return the state after a request, or None where obstacles forbid it."""
    if TRANSITIONS[state][asked] is Move.GUARDED and obstacles:
        return None
    return asked
