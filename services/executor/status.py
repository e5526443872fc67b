"""What the executor says of itself each second."""

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.status import ExecutorStatus, OpenPairSeen
from services.executor import stranded
from services.executor.pair import Pair
from services.executor.phases import PairPhase
from services.executor.state import ExecutorState


def status_of(state: ExecutorState, now_ns: int) -> ExecutorStatus:
    """Return open pairs, stranded positions, and the day's sums."""
    pairs = [pair for pair in state.pairs.values() if pair.phase is not PairPhase.STRANDED]
    held = [pair for pair in state.pairs.values() if pair.phase is PairPhase.STRANDED]
    return ExecutorStatus(
        pairs=tuple(_seen(pair, now_ns) for pair in pairs),
        stranded=tuple(_stranded(state, pair, now_ns) for pair in held),
        pairs_closed=state.tally.pairs_closed, clips=state.tally.clips,
        uncovered_krw_ms=state.tally.uncovered_krw_ms, neutral_ms_max=state.tally.neutral_ms_max,
    )  # fmt: skip


def _stranded(state: ExecutorState, pair: Pair, now_ns: int) -> OpenPairSeen:
    next_try = stranded.outlook(pair, state.view(pair.symbol, now_ns))
    return _seen(pair, now_ns).model_copy(update={"next_try": next_try, "why": _why(pair)})


def _why(pair: Pair) -> str:
    return f"{pair.residual.reason or ''}: {pair.residual.detail}".strip(": ")


def _seen(pair: Pair, now_ns: int) -> OpenPairSeen:
    return OpenPairSeen(
        pair_id=pair.pair_id, symbol=pair.symbol, state=pair.phase, clip=pair.clip,
        uncovered_shares=pair.uncovered_shares, uncovered_krw=pair.uncovered_krw,
        age_ms=(now_ns - pair.opened_at_ns) // NS_PER_MS, buy_venue=pair.approval.buy_venue,
        sell_venue=pair.approval.sell_venue,
    )  # fmt: skip
