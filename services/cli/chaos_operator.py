"""The person at the desk on a day of faults: lifts latches, flattens what is stranded, arms again.

Pure: from the board and the state that is wanted follow the requests a person would make now, each one
the same message that `arb latch clear`, `arb flatten` and `arb arm` write.
"""

from collections.abc import Sequence
from typing import Final

from services.cli.board import Board
from services.cli.preflight import is_clean, preflight
from services.cli.steering import next_request
from services.contracts.envelope import Message
from services.contracts.messages.control import FlattenRequested, LatchClearRequested
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import Latch, TradingState

BY: Final = "chaos"
REASON: Final = "a fault of the drill, looked at and over"


def requests(board: Board, now_ns: int, wanted: TradingState, services: Sequence[str]) -> tuple[Message, ...]:
    """Return what to ask for now; nothing while a service is silent or the broker is away."""
    if not all(board.alive(name, now_ns) for name in services) or not _connected(board):
        return ()
    stranded = sorted({mark.symbol for mark in board.stranded.values()})
    flatten = tuple(FlattenRequested(symbol=symbol, by=BY, reason=REASON) for symbol in stranded)
    lifted = tuple(
        LatchClearRequested(latch=Latch(name), by=BY, reason=REASON, stop_count=board.stop_count)
        for name in sorted(board.latches)
    )
    if flatten or lifted:
        return (*flatten, *lifted)
    lifts = board.state is TradingState.HALTED
    arms = wanted is TradingState.ARMED and not lifts
    if board.state is wanted or (arms and not _may_arm(board, now_ns, services)):
        return ()
    return (next_request(board, wanted, BY, REASON),)


def _connected(board: Board) -> bool:
    return board.gateway is not None and board.gateway.connection is ConnectionState.READY


def _may_arm(board: Board, now_ns: int, services: Sequence[str]) -> bool:
    return is_clean(preflight(board, now_ns, services))
