"""What people ask of the executor: to sell, to pause a symbol, to take a position off the books.

A wish to sell is decided once, while it holds (`contracts/request_life`). Pauses and claims never expire.
"""

from dataclasses import replace

from services.contracts.envelope import Message
from services.contracts.messages.control import (
    FlattenRequested,
    FlattenStarted,
    RequestRefused,
    RequestWithdrawn,
    ResidualClaimed,
    SymbolPauseRequested,
    SymbolResumed,
    WithdrawalTaken,
)
from services.contracts.messages.pairs import PairOutcome
from services.contracts.request_life import REQUESTS
from services.contracts.step import Received
from services.executor import flatten, notices
from services.executor.closed_pair import ClosedPair
from services.executor.closing import close
from services.executor.hearing import Heard, of_symbol, paused_pairs, restated, taken
from services.executor.pair import Pair
from services.executor.phases import OrderLife, PairPhase
from services.executor.state import ExecutorState

OWNER = REQUESTS[FlattenRequested.__name__].owner


def flatten_requested(state: ExecutorState, event: Received) -> Heard:
    """A person wants open pairs to be flat: no further clip, and a stranded position is tried again.

    The executor decides it once; the gateway follows its word.
    """
    message = event.message
    assert isinstance(message, FlattenRequested)
    if state.requests.knows(event.envelope.id):
        return Heard(state)
    problem = state.requests.problem(event) or state.trading.ended_wish(event.entered_ns)
    state = state.but(requests=state.requests.after(event))
    if problem:
        refused = RequestRefused(request=event.envelope.type, by=message.by, problem=problem)
        return Heard(state, said=(refused,))
    touched = tuple(p.pair_id for p in state.pairs.values() if message.symbol in ("", p.symbol))
    said: tuple[Message, ...] = (
        FlattenStarted(
            symbol=message.symbol, by=message.by, reason=message.reason, asked_ns=event.entered_ns,
            pair_ids=touched,
        ),
    )  # fmt: skip
    for pair_id in touched:
        pair = state.pairs[pair_id].but(claimed_by="")
        asked = pair.but(by_person=True, stopping=pair.stopping or "a person asked to be flat")
        if pair.phase is PairPhase.STRANDED:
            move = flatten.retry(pair, state.view(pair.symbol, event.now_ns))
            asked, said = move.pair, said + move.out
        state = state.with_pair(asked)
    return Heard(state, touched, said)


def withdrawn(state: ExecutorState, event: Received) -> Heard:
    """A person takes back what the executor would decide; what was decided stays decided."""
    message = event.message
    assert isinstance(message, RequestWithdrawn)
    if message.request not in REQUESTS or REQUESTS[message.request].owner != OWNER:
        return Heard(state)
    decided = state.requests.knows(message.request_id)
    if not decided:
        state = state.but(requests=state.requests.without(message, event.now_ns))
    taken = WithdrawalTaken(
        request=message.request, request_id=message.request_id, by=message.by, decided=decided
    )
    return Heard(state, said=(taken,))


def pause_requested(state: ExecutorState, event: Received) -> Heard:
    message = event.message
    assert isinstance(message, SymbolPauseRequested)
    if not message.paused:
        return Heard(state)
    why = f"{message.by} paused the symbol"
    state = state.but(
        paused={**state.paused, message.symbol: why},
        paused_ns={**state.paused_ns, message.symbol: event.stamped_ns},
    )
    heard = paused_pairs(state, message.symbol, why)
    return replace(heard, said=(taken(heard.state),))


def resumed(state: ExecutorState, event: Received) -> Heard:
    """A person says whose the unknown order was: what is stranded is no longer left to it."""
    message = event.message
    assert isinstance(message, SymbolResumed)
    if not state.trading.ends_pause(state.paused_ns.get(message.symbol, 0), event):
        return Heard(state)
    left = {symbol: why for symbol, why in state.paused.items() if symbol != message.symbol}
    left_ns = {symbol: at_ns for symbol, at_ns in state.paused_ns.items() if symbol != message.symbol}
    state = state.but(paused=left, paused_ns=left_ns)
    pairs = of_symbol(state, message.symbol)
    for pair in pairs:
        state = state.with_pair(pair.handed_back())
    return Heard(state, tuple(pair.pair_id for pair in pairs))


def claimed(state: ExecutorState, event: Received) -> Heard:
    """A person sold the residual by hand: the pair closes with what that brought.

    A claim never expires. One that does not fit as it stands ends all selling of its pair all the same, until
    it is claimed as it is or a person asks for a flatten.
    """
    claim = event.message
    assert isinstance(claim, ResidualClaimed)
    closed = state.closed.get(claim.pair_id)
    if closed is not None:
        return _claimed_once_more(state, claim, closed)
    pair = state.pairs.get(claim.pair_id)
    problem = _claim_problem(claim, pair)
    if pair is None:
        of_the_past = event.entered_ns < state.trading.since_ns
        said = () if of_the_past else (notices.claim_refused(claim, problem, pair),)
        return Heard(state.with_claim(claim.pair_id, claim.by), said=said)
    if problem:
        held = pair.but(claimed_by=claim.by, stopping=pair.stopping or f"{claim.by} sold it by hand")
        return Heard(state.with_pair(held), (pair.pair_id,), (notices.claim_refused(claim, problem, pair),))
    sign = 1 if pair.uncovered_shares >= 0 else -1
    settled = pair.but(claimed_shares=sign * claim.qty_shares, claimed_krw=sign * claim.amount_krw)
    move = close(settled, state.view(pair.symbol, event.now_ns), PairOutcome.CLAIMED)
    return Heard(state.without_pair(move.pair), said=move.out)


def _claimed_once_more(state: ExecutorState, claim: ResidualClaimed, closed: ClosedPair) -> Heard:
    """What filled after a claim is the person's too, and claimed apart. A claim that is read twice is one."""
    left = closed.unclaimed_shares
    if not left or claim.qty_shares != abs(left):
        if (claim.qty_shares, claim.amount_krw) == closed.last_claim:
            return Heard(state)
        problem = f"the pair is closed, and {left} shares of it are left to be claimed"
        return Heard(state, said=(notices.claim_refused(claim, problem, None),))
    return restated(state, claim.pair_id, closed, closed.with_claim(claim))


def _claim_problem(claim: ResidualClaimed, pair: Pair | None) -> str:
    """Why a claim cannot be taken, empty if it can. One sold short is claimed by what buying back cost."""
    if pair is None:
        return "no such pair is open"
    if pair.phase not in (PairPhase.FLATTENING, PairPhase.STRANDED):
        return f"the pair is {pair.phase} and goes on by itself"
    if any(order_.life is not OrderLife.AMBIGUOUS for order_ in pair.open_orders):
        return "an order of it still works or is unknown; wait for it, or halt first"
    if not pair.ambiguous and claim.qty_shares != abs(pair.uncovered_shares):
        return f"the pair holds {pair.uncovered_shares} shares"
    return ""
