"""The trading state: which request leads where.

What tightens is always obeyed. What allows more needs that its person had seen the last stop (`stops`); up
to armed needs besides every latch lifted and every gate open that must be open to arm. A halt ends by its
own request alone, and into disarmed. A latch takes an armed desk down to reduce only: what is held is sold,
nothing more is bought.
"""

from collections.abc import Mapping
from enum import StrEnum

from services.contracts.terms import TradingState

DISARMED, HALTED = TradingState.DISARMED, TradingState.HALTED
REDUCE_ONLY, PAUSE_ENTRY, ARMED = TradingState.REDUCE_ONLY, TradingState.PAUSE_ENTRY, TradingState.ARMED


class Move(StrEnum):
    """What a request does: SAME says it again, TIGHTER is obeyed, LOOSER needs the count of the last stop,
    GUARDED latches and gates open as well, BARRED is refused."""

    SAME = "same"
    TIGHTER = "tighter"
    LOOSER = "looser"
    GUARDED = "guarded"
    BARRED = "barred"


_SAME, _TIGHTER, _LOOSER, _GUARDED, _BARRED = Move

TRANSITIONS: Mapping[TradingState, Mapping[TradingState, Move]] = {
    HALTED: {HALTED: _SAME, DISARMED: _BARRED, REDUCE_ONLY: _BARRED, PAUSE_ENTRY: _BARRED, ARMED: _BARRED},
    DISARMED: {
        HALTED: _TIGHTER, DISARMED: _SAME, REDUCE_ONLY: _LOOSER, PAUSE_ENTRY: _LOOSER, ARMED: _GUARDED,
    },
    REDUCE_ONLY: {
        HALTED: _TIGHTER, DISARMED: _TIGHTER, REDUCE_ONLY: _SAME, PAUSE_ENTRY: _LOOSER, ARMED: _GUARDED,
    },
    PAUSE_ENTRY: {
        HALTED: _TIGHTER, DISARMED: _TIGHTER, REDUCE_ONLY: _TIGHTER, PAUSE_ENTRY: _SAME, ARMED: _GUARDED,
    },
    ARMED: {
        HALTED: _TIGHTER, DISARMED: _TIGHTER, REDUCE_ONLY: _TIGHTER, PAUSE_ENTRY: _TIGHTER, ARMED: _SAME,
    },
}  # fmt: skip
"""By the state in force, then by the state asked for. Every pair of states is in it."""

AFTER_LATCH: Mapping[TradingState, TradingState] = {
    DISARMED: DISARMED,
    HALTED: HALTED,
    REDUCE_ONLY: REDUCE_ONLY,
    PAUSE_ENTRY: REDUCE_ONLY,
    ARMED: REDUCE_ONLY,
}
"""Where a new latch leaves each state."""
