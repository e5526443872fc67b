"""Is the intent new, in time, and may anything trade at all?"""

from services.contracts.limits import CLOCK_SKEW_MS, INTENT_TTL_MS, NS_PER_MS
from services.risk.checks.case import Case
from services.risk.gates import closed_gates


def duplicate(case: Case) -> str | None:
    at_ns = case.state.verdicts.get(case.intent.intent_id)
    return None if at_ns is None else f"decided_at_ns={at_ns}"


def clock_skew(case: Case) -> str | None:
    ahead_ns = case.intent.decided_at_ns - case.now_ns
    return f"ahead_ms={ahead_ns // NS_PER_MS}" if ahead_ns > CLOCK_SKEW_MS * NS_PER_MS else None


def expired(case: Case) -> str | None:
    """An intent is good for `INTENT_TTL_MS`, whatever later end it claims."""
    ends_ns = min(case.intent.expires_at_ns, case.intent.decided_at_ns + INTENT_TTL_MS * NS_PER_MS)
    return f"late_ms={(case.now_ns - ends_ns) // NS_PER_MS}" if case.now_ns >= ends_ns else None


def latched(case: Case) -> str | None:
    held = case.state.trading.latched
    return f"latches={','.join(held)}" if held else None


def trading_state(case: Case) -> str | None:
    state = case.state.trading.state
    return None if state.allows_entries else f"state={state}"


def ready(case: Case) -> str | None:
    """Every gate but those that open by the clock: these have checks of their own."""
    gates = [gate for gate in closed_gates(case.state, case.now_ns) if not gate.key.opens_by_the_clock]
    return f"gates={','.join(gate.key for gate in gates)}" if gates else None


def reference(case: Case) -> str | None:
    if case.intent.reference_hash != case.state.reference_hash:
        return f"intent={case.intent.reference_hash} in_force={case.state.reference_hash}"
    if case.intent.trading_date != case.state.venue.trading_date:
        return f"intent={case.intent.trading_date} today={case.state.venue.trading_date}"
    return None


def window(case: Case) -> str | None:
    venue = case.state.venue
    if not venue.window_open(case.now_ns):
        return f"window=closed reason={venue.window.reason if venue.window else 'unknown'}"
    if not venue.both_continuous:
        return " ".join(f"{name}={phase}" for name, phase in venue.phases.items()) or "phases=unknown"
    if case.costs is not None and not venue.both_trade(case.costs.market):
        found = (f"{name}={phase}:{venue.limit_kind(name)}" for name, phase in venue.phases.items())
        return f"market={case.costs.market} {' '.join(found)}"
    return None
