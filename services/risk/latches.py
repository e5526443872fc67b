"""Latches: what sets one, and what it does. Only a person with a reason lifts it.

A latch that is set takes an armed desk down to reduce only. One whose cause still holds when it is
lifted is set again at once.
"""

from collections import Counter
from collections.abc import Iterator

from services.contracts.limits import CLOCK_DOUBTS, CLOCK_SKEW_MS, NS_PER_MS
from services.contracts.messages.control import (
    LatchCleared,
    LatchClearRequested,
    LatchSet,
)
from services.contracts.step import Outgoing, Step
from services.contracts.terms import Latch
from services.risk import alerts, stops
from services.risk.exposure import marked_gain, realised_krw, unhedged_krw
from services.risk.gates import builds_running, describe_builds, fresh_beats
from services.risk.state import ErrorKind, LatchHeld, RiskState
from services.risk.trading_state import AFTER_LATCH

ERROR_WINDOW_NS = 60_000 * NS_PER_MS


def set_latch(state: RiskState, latch: Latch, detail: str, now_ns: int) -> Step[RiskState]:
    """Hold `latch` from now on; nothing happens where it already holds."""
    if latch in state.trading.latched:
        return Step(state)
    after = AFTER_LATCH[state.trading.state]
    state = stops.with_stop(state, "risk", detail, f"set the latch {latch}")
    trading = state.trading
    held = (*trading.latches, LatchHeld(latch=latch, detail=detail, set_at_ns=now_ns))
    changed = trading.model_copy(update={"latches": held})
    if after is not trading.state:
        changed = changed.model_copy(update={"state": after, "by": "risk", "reason": f"latch {latch}"})
    out = (
        Outgoing(LatchSet(latch=latch, detail=detail)),
        Outgoing(alerts.latch_set(latch, detail, after)),
        Outgoing(stops.changed_message(changed)),
    )
    return Step(state.but(trading=changed), out)


def clear_latch(state: RiskState, request: LatchClearRequested) -> Step[RiskState]:
    """Lift a latch; one that does not hold is answered all the same."""
    left = tuple(held for held in state.trading.latches if held.latch is not request.latch)
    answer = LatchCleared(latch=request.latch, by=request.by, reason=request.reason)
    out = [Outgoing(answer)]
    if len(left) < len(state.trading.latches):
        out.append(Outgoing(alerts.latch_cleared(request.latch, request.by, request.reason)))
        state = state.but(trading=state.trading.model_copy(update={"latches": left}))
    return Step(state, tuple(out))


def due(state: RiskState, now_ns: int) -> Iterator[tuple[Latch, str]]:
    """Yield every latch whose cause holds now, with the figures that decided."""
    yield from _loss(state)
    yield from _unhedged(state, now_ns)
    yield from _errors(state, now_ns)
    yield from _builds(state, now_ns)
    yield from _clocks(state, now_ns)


def _loss(state: RiskState) -> Iterator[tuple[Latch, str]]:
    if state.reference is None:
        return
    loss_krw = -(realised_krw(state) + marked_gain(state).gain_krw)
    limit_krw = state.reference.limits.max_daily_loss_krw
    if loss_krw > 0 and loss_krw >= limit_krw:
        yield Latch.CUMULATIVE_LOSS, f"The day has lost {loss_krw} KRW; the limit is {limit_krw} KRW."


def _unhedged(state: RiskState, now_ns: int) -> Iterator[tuple[Latch, str]]:
    """Only what more is bought is stopped: the exits of every pair go on."""
    if state.reference is None:
        return
    limits, held_krw = state.reference.limits, unhedged_krw(state)
    if held_krw > limits.max_unhedged_krw:
        yield (
            Latch.UNHEDGED,
            f"{held_krw} KRW are bought and not sold; the limit is {limits.max_unhedged_krw} KRW.",
        )
    for pair_id, since_ns in state.held_since_ns.items():
        held_ms = (now_ns - since_ns) // NS_PER_MS
        if held_ms > limits.max_unhedged_ms:
            yield (
                Latch.UNHEDGED,
                f"The pair {pair_id} has held shares for {held_ms // 1_000} s; "
                f"the limit is {limits.max_unhedged_ms // 1_000} s.",
            )


def _errors(state: RiskState, now_ns: int) -> Iterator[tuple[Latch, str]]:
    """Each kind has its own limit; both venues count together, because a pair needs both."""
    if state.reference is None:
        return
    limits = state.reference.limits
    for kind, limit, what in (
        (ErrorKind.REFUSED, limits.max_errors_per_minute, "refusals of the broker"),
        (ErrorKind.DENIED, limits.max_denials_per_minute, "commands denied at the last gate"),
        (ErrorKind.UNKNOWN, limits.max_unknowns_per_minute, "orders with an unknown outcome"),
    ):
        lately = [
            seen
            for seen in state.errors.values()
            if seen.kind is kind and seen.at_ns > now_ns - ERROR_WINDOW_NS
        ]
        if len(lately) > limit:
            where = Counter(seen.where for seen in lately if seen.where)
            venues = "".join(f", {count} on {venue}" for venue, count in sorted(where.items()))
            yield Latch.REPEATED_ERRORS, f"{len(lately)} {what} in a minute{venues}; the limit is {limit}."


def _builds(state: RiskState, now_ns: int) -> Iterator[tuple[Latch, str]]:
    """While nothing may trade a mixed start is only a closed gate: a deployment passes through it."""
    if not state.trading.state.allows_exits:
        return
    builds = builds_running(state, now_ns)
    if len(builds) > 1:
        yield Latch.MIXED_BUILDS, f"Services of different builds trade together ({describe_builds(builds)})."


def _clocks(state: RiskState, now_ns: int) -> Iterator[tuple[Latch, str]]:
    for name, beat in sorted(fresh_beats(state, now_ns).items()):
        ahead_ms = (beat.at_ns - now_ns) // NS_PER_MS
        off_ms = abs(beat.heartbeat.clock_offset_us) // 1_000
        if max(ahead_ms, off_ms) > CLOCK_SKEW_MS:
            yield Latch.CLOCKS, f"The clock of {name} is off by {max(ahead_ms, off_ms)} ms."
        elif beat.doubts >= CLOCK_DOUBTS and state.trading.state.allows_exits:
            measured = f"vague by {beat.heartbeat.clock_error_us} us, {beat.heartbeat.clock_jumps} jumps"
            yield Latch.CLOCKS, f"{name} does not trust its clock ({measured})."
