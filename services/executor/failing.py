"""A mistake of this program at one pair: it is named and waits for a person, and all others go on."""

from traceback import extract_tb

from services.contracts.envelope import Message
from services.contracts.messages.pairs import StrandReason
from services.executor.pair import Pair
from services.executor.phases import PairPhase
from services.executor.stranded import strand
from services.executor.view import View


def stranded(pair: Pair, view: View, error: Exception) -> tuple[Pair, tuple[Message, ...]]:
    """Return the pair as a stranded position that names the failure and its place, with the alarm.

    One that fails again is named again only where it holds something else.
    """
    named = pair.phase is PairPhase.STRANDED and pair.residual.reason is StrandReason.FAULT
    if named and pair.residual.marked_shares == pair.uncovered_shares:
        return pair, ()
    move = strand(pair, view, StrandReason.FAULT, _where(error))
    return move.pair, move.out


def _where(error: Exception) -> str:
    frames = extract_tb(error.__traceback__)
    place = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
