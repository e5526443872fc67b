"""One verdict for the pair: both legs are checked and reserved together, or neither is.

Every intent gets exactly one answer. An approval is good for `APPROVAL_TTL_MS` and reserves the whole
size at the buy limit in the same step, so that the next intent already sees it.
"""

from services.contracts.ids import pair_id_of
from services.contracts.limits import APPROVAL_TTL_MS, NS_PER_MS, NS_PER_S
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.pairs import PairApproved, PairDenied
from services.contracts.reasons import DenialReason
from services.contracts.step import Outgoing, Step
from services.market.edge import clip_allowed
from services.risk import alerts
from services.risk.checks.case import Case, case_of
from services.risk.checks.order import first_denial
from services.risk.ledger import with_pair
from services.risk.state import RiskState
from services.risk.stops import with_pause, word_of

REPEATED_WHY = "traded too often"
"""How the reason of such a pause begins: its alert ends with it."""
REMEMBERED_NS = 60 * NS_PER_S
"""Far longer than any intent lives: one that is older is denied as expired."""


def on_intent(state: RiskState, intent: TradeIntent, now_ns: int) -> Step[RiskState]:
    """Answer one intent."""
    case = case_of(state, intent, now_ns)
    denial = first_denial(case)
    state = _remembered(state, intent.intent_id, now_ns)
    if denial is not None:
        step = _denied(state, intent, denial, now_ns)
        return _paused(step, case, denial[1]) if denial[0] is DenialReason.REPEATED else step
    approved = _approval(case)
    quoted_at_ns = max(intent.quote_a.ts_event_ns, intent.quote_b.ts_event_ns)
    state = with_pair(state, approved, quoted_at_ns)
    lately = _lately(state, intent, case.limits.repeat_window_ms, now_ns)
    day = state.day.model_copy(
        update={"intents": state.day.intents + 1, "approvals": state.day.approvals + 1}
    )
    state = state.but(day=day, approved_at_ns={**state.approved_at_ns, intent.symbol: lately})
    return Step(state, (Outgoing(approved, correlation_id=approved.pair_id),))


def _approval(case: Case) -> PairApproved:
    """The intent's limits, but neither above what risk's own books, which are newer, show it at."""
    intent, fresh = case.intent, case.edge
    assert fresh is not None, "checks.quotes.edge_gone denies without one"
    return PairApproved(
        pair_id=pair_id_of(intent.intent_id),
        intent_id=intent.intent_id,
        symbol=intent.symbol,
        trading_date=intent.trading_date,
        buy_venue=case.buy_venue,
        sell_venue=case.sell_venue,
        qty_shares=intent.qty_shares,
        clip_shares=clip_allowed(case.limits, intent.side_a.price_krw, intent.qty_shares),
        buy_limit_krw=min(intent.side_a.price_krw, fresh.buy_price_worst_krw),
        sell_limit_krw=min(intent.side_b.price_krw, fresh.sell_price_worst_krw),
        approved_at_ns=case.now_ns,
        expires_at_ns=case.now_ns + APPROVAL_TTL_MS * NS_PER_MS,
        reference_hash=case.state.reference_hash,
    )


def _denied(
    state: RiskState, intent: TradeIntent, denial: tuple[DenialReason, str], now_ns: int
) -> Step[RiskState]:
    reason, detail = denial
    denials = {**state.day.denials, reason.value: state.day.denials.get(reason.value, 0) + 1}
    day = state.day.model_copy(update={"intents": state.day.intents + 1, "denials": denials})
    message = PairDenied(
        intent_id=intent.intent_id,
        symbol=intent.symbol,
        reason=reason,
        detail=detail,
        decided_at_ns=now_ns,
        reference_hash=state.reference_hash,
    )
    return Step(state.but(day=day), (Outgoing(message, correlation_id=intent.intent_id),))


def _paused(step: Step[RiskState], case: Case, detail: str) -> Step[RiskState]:
    """Repeated execution switches the symbol off until a named person resumes it (RTS 6 art. 15(3))."""
    symbol, state = case.intent.symbol, step.state
    why = f"{REPEATED_WHY}: {detail} in {case.limits.repeat_window_ms} ms"
    state = with_pause(state, symbol, "risk", why)
    return Step(state, (*step.out, Outgoing(alerts.repeated(symbol, why)), word_of(state)))


def _remembered(state: RiskState, intent_id: str, now_ns: int) -> RiskState:
    kept = {key: at_ns for key, at_ns in state.verdicts.items() if at_ns > now_ns - REMEMBERED_NS}
    remembered: RiskState = state.but(verdicts={**kept, intent_id: now_ns})
    return remembered


def _lately(state: RiskState, intent: TradeIntent, window_ms: int, now_ns: int) -> tuple[int, ...]:
    since_ns = now_ns - window_ms * NS_PER_MS
    before = state.approved_at_ns.get(intent.symbol, ())
    return (*(at_ns for at_ns in before if at_ns > since_ns), now_ns)
