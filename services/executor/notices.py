"""What the executor tells people: what happened, the amount and the age; the words stand in the contracts.

An alert's id names the trouble, so that it is told once while it lasts and taken back when it is over.
"""

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.alerts import AlertRaised, Fact
from services.contracts.messages.control import ResidualClaimed
from services.contracts.messages.orders import OrderFacts
from services.contracts.messages.pairs import PairClosed, StrandReason
from services.contracts.terms import Severity
from services.executor.order import Order
from services.executor.pair import Pair
from services.executor.phases import OrderLife


def residual_opened(pair: Pair, now_ns: int, reason: str, refusal: str) -> AlertRaised:
    """`refusal` is why nothing may be sold now, empty if it may: then it needs a person at once."""
    facts = _held(pair, _sentence(reason)) | ({"refusal": refusal} if refusal else {})
    return raised(
        AlertCode.RESIDUAL_BLOCKED if refusal else AlertCode.RESIDUAL,
        _residual_id(pair), Severity.CRITICAL if refusal else Severity.WARNING, facts,
        symbol=pair.symbol, pair_id=pair.pair_id, amount_krw=pair.uncovered_krw,
        age_ms=pair.exposure.age_ms(now_ns),
    )  # fmt: skip


def residual_over(pair: Pair) -> AlertRaised:
    return raised(
        AlertCode.RESIDUAL, _residual_id(pair), Severity.INFO, {"symbol": pair.symbol, "pair": pair.pair_id},
        symbol=pair.symbol, pair_id=pair.pair_id, resolved=True,
    )  # fmt: skip


def stranded(pair: Pair, now_ns: int) -> AlertRaised:
    reason = pair.residual.reason or StrandReason.NO_VENUE
    uncertain = reason is StrandReason.AMBIGUOUS
    facts = _held(pair, _sentence(pair.residual.detail)) | {"why": reason.value}
    return raised(
        AlertCode.STRANDED_UNCERTAIN if uncertain else AlertCode.STRANDED,
        _stranded_id(pair), Severity.CRITICAL, facts, symbol=pair.symbol, pair_id=pair.pair_id,
        amount_krw=pair.uncovered_krw, age_ms=pair.exposure.age_ms(now_ns),
    )  # fmt: skip


def stranded_over(pair: Pair, ended: str) -> AlertRaised:
    """`ended` is a term of the table of that name."""
    facts = {"symbol": pair.symbol, "pair": pair.pair_id, "ended": ended}
    return raised(
        AlertCode.STRANDED, _stranded_id(pair), Severity.INFO, facts, symbol=pair.symbol,
        pair_id=pair.pair_id, resolved=True,
    )  # fmt: skip


def order_in_doubt(pair: Pair, order: Order, now_ns: int) -> AlertRaised:
    doubt = order.life.value if order.life in (OrderLife.SILENT, OrderLife.UNKNOWN) else "uncancelled"
    return raised(
        AlertCode.ORDER_IN_DOUBT, _order_id(order), Severity.CRITICAL,
        {**_order(pair, order), "doubt": doubt, "side": order.side.value, "qty": order.qty_shares},
        symbol=pair.symbol, pair_id=pair.pair_id, amount_krw=order.qty_shares * order.price_krw,
        age_ms=(now_ns - order.placed_at_ns) // NS_PER_MS,
    )  # fmt: skip


def order_known(pair: Pair, order: Order) -> AlertRaised:
    return _order_over(pair, order, "known")


def order_settled_by_person(pair: Pair, order: Order) -> AlertRaised:
    return _order_over(pair, order, "person")


def pair_closed(closed: PairClosed) -> AlertRaised:
    facts: dict[str, Fact] = {
        "symbol": closed.symbol, "pair": closed.pair_id, "pnl": closed.realised_pnl_krw,
        "bought": closed.bought_shares, "bought_krw": closed.bought_krw, "sold": closed.sold_shares,
        "sold_krw": closed.sold_krw, "clips": closed.clips, "commission": closed.commission_krw,
        "tax": closed.tax_krw, "neutral": closed.neutral_ms, "residual": closed.residual_shares_max,
        "outcome": closed.outcome.value,
    }  # fmt: skip
    return raised(
        AlertCode.PAIR_CLOSED, f"closed-{closed.pair_id}", Severity.INFO, facts, symbol=closed.symbol,
        pair_id=closed.pair_id, amount_krw=closed.realised_pnl_krw,
        age_ms=(closed.closed_at_ns - closed.opened_at_ns) // NS_PER_MS,
    )  # fmt: skip


def fill_of_no_pair(facts: OrderFacts, why: str) -> AlertRaised:
    return raised(
        AlertCode.STRAY_FILL, f"stray-{facts.order_id}-{facts.cum_qty_shares}", Severity.CRITICAL,
        {"symbol": facts.symbol, "order": facts.order_id, "venue": facts.venue.value,
         "side": facts.side.value, "qty": facts.cum_qty_shares, "problem": why},
        symbol=facts.symbol, pair_id=facts.pair_id, amount_krw=facts.cum_amount_krw,
    )  # fmt: skip


def pair_recovered(pair: Pair, order: Order) -> AlertRaised:
    return raised(
        AlertCode.PAIR_RECOVERED, f"recovered-{pair.pair_id}", Severity.WARNING, _order(pair, order),
        symbol=pair.symbol, pair_id=pair.pair_id, amount_krw=order.cum_amount_krw,
    )  # fmt: skip


def pair_reopened(pair: Pair, facts: OrderFacts) -> AlertRaised:
    return raised(
        AlertCode.PAIR_REOPENED, f"reopened-{pair.pair_id}-{pair.closings}", Severity.WARNING,
        {"symbol": pair.symbol, "pair": pair.pair_id, "order": facts.order_id, "venue": facts.venue.value,
         "filled": facts.cum_qty_shares, "qty": facts.qty_shares},
        symbol=pair.symbol, pair_id=pair.pair_id, amount_krw=facts.cum_amount_krw,
    )  # fmt: skip


def claim_refused(claim: ResidualClaimed, why: str, pair: Pair | None) -> AlertRaised:
    return raised(
        AlertCode.CLAIM_REFUSED, f"claim-{claim.pair_id}-{claim.qty_shares}-{claim.amount_krw}",
        Severity.WARNING,
        {"pair": claim.pair_id, "by": claim.by, "qty": claim.qty_shares, "amount": claim.amount_krw,
         "problem": why},
        symbol=None if pair is None else pair.symbol, pair_id=claim.pair_id, amount_krw=claim.amount_krw,
    )  # fmt: skip


def _order_over(pair: Pair, order: Order, ended: str) -> AlertRaised:
    return raised(
        AlertCode.ORDER_IN_DOUBT, _order_id(order), Severity.INFO, {**_order(pair, order), "ended": ended},
        symbol=pair.symbol, pair_id=pair.pair_id, resolved=True,
    )  # fmt: skip


def _held(pair: Pair, problem: str) -> dict[str, Fact]:
    return {
        "symbol": pair.symbol, "pair": pair.pair_id, "qty": pair.uncovered_shares, "paid": pair.uncovered_krw,
        "problem": problem,
    }  # fmt: skip


def _order(pair: Pair, order: Order) -> dict[str, Fact]:
    return {
        "symbol": pair.symbol, "pair": pair.pair_id, "order": order.order_id, "venue": order.venue.value,
    }  # fmt: skip


def _residual_id(pair: Pair) -> str:
    return f"residual-{pair.pair_id}"


def _stranded_id(pair: Pair) -> str:
    return f"stranded-{pair.pair_id}-{pair.residual.strands}"


def _order_id(order: Order) -> str:
    return f"unknown-{order.order_id}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
