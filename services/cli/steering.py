"""Which request leads to a trading state: a stop, or one that allows more and names the stop that was shown.

A stop is written without a look at anything. What allows more rests on a board that its person has seen.
"""

from services.cli.board import Board
from services.contracts.envelope import Message
from services.contracts.messages.control import HaltLiftRequested, StopRequested, TradingStateRequested
from services.contracts.terms import TradingState


def state_request(board: Board, target: TradingState, by: str, reason: str) -> Message:
    """Return the request for `target`, from the state that `board` shows."""
    allows = board.state is not None and target.allows_more_than(board.state)
    if target is not TradingState.ARMED and not allows:
        return StopRequested(target=target, by=by, reason=reason)
    return TradingStateRequested(target=target, by=by, reason=reason, stop_count=board.stop_count)


def next_request(board: Board, target: TradingState, by: str, reason: str) -> Message:
    """Return what a person asks for who wants `target` in the end: a halt is lifted before anything."""
    if board.state is TradingState.HALTED and target is not TradingState.HALTED:
        return HaltLiftRequested(by=by, reason=reason, stop_count=board.stop_count)
    return state_request(board, target, by, reason)
