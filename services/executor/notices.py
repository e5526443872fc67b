"""What the executor tells people: plain words, the amount, the age, and the next step.

An alert's id names the trouble, so that it is told once while it lasts and taken back when it is over.
"""

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import ResidualClaimed
from services.contracts.messages.orders import OrderFacts
from services.contracts.messages.pairs import PairClosed, PairOutcome, StrandReason
from services.contracts.terms import Severity
from services.executor.order import Order
from services.executor.pair import Pair
from services.executor.phases import OrderLife

_WHY = {
    StrandReason.ATTEMPTS_SPENT: "every attempt of the ladder was spent",
    StrandReason.LOSS_BOUND: "no bid is within the allowed loss",
    StrandReason.NO_VENUE: "no venue can trade it now",
    StrandReason.NO_QUOTE: "there is no book to price a sell from",
    StrandReason.AFTER_HOURS: "both venues are closed for today",
    StrandReason.TRADING_STATE: "the trading state allows no sell",
    StrandReason.DENIED: "the gateway refused every attempt",
    StrandReason.AMBIGUOUS: "it is not certain what the pair holds",
}


def residual_opened(pair: Pair, now_ns: int, reason: str, refusal: str) -> AlertRaised:
    """`refusal` is why nothing may be sold now, empty if it may: then it needs a person at once."""
    doing = f"It is not sold: {refusal}." if refusal else "They are being sold at the better bid."
    wait = "Nothing, unless a stranded position is reported after this; watch `arb status`."
    act = f"Run `arb flatten {pair.symbol}` to sell it all the same, or arm again."
    return AlertRaised(
        alert_id=_residual_id(pair), kind=AlertKind.RESIDUAL,
        severity=Severity.CRITICAL if refusal else Severity.WARNING,
        title=f"{pair.symbol}: {pair.uncovered_shares} bought and not sold in time",
        detail=f"Pair {pair.pair_id} paid {pair.uncovered_krw:,} KRW for them. {_sentence(reason)} {doing}",
        next_step=act if refusal else wait, symbol=pair.symbol, pair_id=pair.pair_id,
        amount_krw=pair.uncovered_krw, age_ms=pair.exposure.age_ms(now_ns),
    )  # fmt: skip


def residual_over(pair: Pair) -> AlertRaised:
    return AlertRaised(
        alert_id=_residual_id(pair), kind=AlertKind.RESIDUAL, severity=Severity.INFO,
        title=f"{pair.symbol}: the residual is sold", detail=f"Pair {pair.pair_id} holds nothing.",
        next_step="Nothing.", symbol=pair.symbol, pair_id=pair.pair_id, resolved=True,
    )  # fmt: skip


def stranded(pair: Pair, now_ns: int) -> AlertRaised:
    reason = pair.residual.reason or StrandReason.NO_VENUE
    held = pair.uncovered_shares
    claim = f"sell them by hand and run `arb residual resolve {pair.pair_id}`"
    next_step = f"Either run `arb flatten {pair.symbol}` to try the ladder again, or {claim}."
    if reason is StrandReason.AMBIGUOUS:
        next_step = f"Compare with the broker's order screen. If shares are held, {claim}."
    return AlertRaised(
        alert_id=_stranded_id(pair), kind=AlertKind.STRANDED, severity=Severity.CRITICAL,
        title=f"{pair.symbol}: a position of {held} shares is stranded",
        detail=f"Pair {pair.pair_id} paid {pair.uncovered_krw:,} KRW; {_WHY[reason]}. "
        f"{_sentence(pair.residual.detail)}".strip(),
        next_step=next_step, symbol=pair.symbol, pair_id=pair.pair_id, amount_krw=pair.uncovered_krw,
        age_ms=pair.exposure.age_ms(now_ns),
    )  # fmt: skip


def stranded_over(pair: Pair, why: str) -> AlertRaised:
    return AlertRaised(
        alert_id=_stranded_id(pair), kind=AlertKind.STRANDED, severity=Severity.INFO,
        title=f"{pair.symbol}: no longer stranded", detail=f"Pair {pair.pair_id}: {why}.",
        next_step="Nothing.", symbol=pair.symbol, pair_id=pair.pair_id, resolved=True,
    )  # fmt: skip


_DOUBTS = {
    OrderLife.SILENT: "the gateway has said nothing of it although the command has expired",
    OrderLife.UNKNOWN: "nobody knows whether it reached the broker",
}


def order_in_doubt(pair: Pair, order: Order, now_ns: int) -> AlertRaised:
    why = _DOUBTS.get(order.life, f"it did not end although {order.cancels} cancels were asked for")
    blocked = (
        f"Nothing more is {'sold' if order.side == 'sell' else 'bought'} of this pair until it is known."
    )
    return AlertRaised(
        alert_id=_order_id(order), kind=AlertKind.ORDER_UNKNOWN, severity=Severity.CRITICAL,
        title=f"{pair.symbol}: what became of a {order.side} of {order.qty_shares} is not known",
        detail=f"Order {order.order_id} on {order.venue}: {why}. {blocked}",
        next_step="Look at `arb status` for the gateway; it asks the broker by itself. If this stays, "
        f"compare the broker's order screen with `arb explain {pair.pair_id}`.",
        symbol=pair.symbol, pair_id=pair.pair_id, amount_krw=order.qty_shares * order.price_krw,
        age_ms=(now_ns - order.placed_at_ns) // NS_PER_MS,
    )  # fmt: skip


def order_known(pair: Pair, order: Order) -> AlertRaised:
    return AlertRaised(
        alert_id=_order_id(order), kind=AlertKind.ORDER_UNKNOWN, severity=Severity.INFO,
        title=f"{pair.symbol}: the order is known again",
        detail=f"Order {order.order_id} is {order.life}, {order.cum_qty_shares} shares filled.",
        next_step="Nothing.", symbol=pair.symbol, pair_id=pair.pair_id, resolved=True,
    )  # fmt: skip


def order_settled_by_person(pair: Pair, order: Order) -> AlertRaised:
    return AlertRaised(
        alert_id=_order_id(order), kind=AlertKind.ORDER_UNKNOWN, severity=Severity.INFO,
        title=f"{pair.symbol}: a person settled what the order left",
        detail=f"Order {order.order_id} stayed {order.life}; its pair was claimed.",
        next_step="Nothing.", symbol=pair.symbol, pair_id=pair.pair_id, resolved=True,
    )  # fmt: skip


def pair_closed(closed: PairClosed) -> AlertRaised:
    claimed = " A person made it flat by hand." if closed.outcome is PairOutcome.CLAIMED else ""
    residual = f" Up to {closed.residual_shares_max} shares had to be flattened." * bool(
        closed.residual_shares_max
    )
    return AlertRaised(
        alert_id=f"closed-{closed.pair_id}", kind=AlertKind.PAIR_CLOSED, severity=Severity.INFO,
        title=f"{closed.symbol}: pair closed, {closed.realised_pnl_krw:+,} KRW",
        detail=f"Pair {closed.pair_id} bought {closed.bought_shares} for {closed.bought_krw:,} and sold "
        f"{closed.sold_shares} for {closed.sold_krw:,} KRW in {closed.clips} clips; commission "
        f"{closed.commission_krw:,}, tax {closed.tax_krw:,}; neutral within {closed.neutral_ms} ms."
        + residual + claimed,
        next_step=f"Nothing; `arb explain {closed.pair_id}` tells how it went.",
        symbol=closed.symbol, pair_id=closed.pair_id, amount_krw=closed.realised_pnl_krw,
        age_ms=(closed.closed_at_ns - closed.opened_at_ns) // NS_PER_MS,
    )  # fmt: skip


def fill_of_no_pair(facts: OrderFacts, why: str) -> AlertRaised:
    return AlertRaised(
        alert_id=f"stray-{facts.order_id}-{facts.cum_qty_shares}", kind=AlertKind.RECONCILIATION,
        severity=Severity.CRITICAL,
        title=f"{facts.symbol}: a {facts.side} of {facts.cum_qty_shares} filled outside any open pair",
        detail=f"Order {facts.order_id} on {facts.venue}: {why}. Nothing is sold or bought against it.",
        next_step=f"Compare holdings of {facts.symbol} with the broker's screen and level them by hand.",
        symbol=facts.symbol, pair_id=facts.pair_id, amount_krw=facts.cum_amount_krw,
    )  # fmt: skip


def pair_recovered(pair: Pair, order: Order) -> AlertRaised:
    return AlertRaised(
        alert_id=f"recovered-{pair.pair_id}", kind=AlertKind.RECONCILIATION, severity=Severity.WARNING,
        title=f"{pair.symbol}: a pair was brought back from its orders",
        detail=f"Order {order.order_id} on {order.venue} is known to the gateway, its pair was lost. "
        "What it holds is sold at the better bid.",
        next_step=f"Look why Redis lost what it had; `arb explain {pair.pair_id}` tells how the pair went.",
        symbol=pair.symbol, pair_id=pair.pair_id, amount_krw=order.cum_amount_krw,
    )  # fmt: skip


def claim_refused(claim: ResidualClaimed, why: str, pair: Pair | None) -> AlertRaised:
    return AlertRaised(
        alert_id=f"claim-{claim.pair_id}-{claim.qty_shares}-{claim.amount_krw}", kind=AlertKind.STRANDED,
        severity=Severity.WARNING, title=f"The claim of pair {claim.pair_id} was not taken",
        detail=f"{claim.by} claimed {claim.qty_shares} shares for {claim.amount_krw:,} KRW; {why}.",
        next_step="Look at `arb status` and claim again with what it shows.",
        symbol=None if pair is None else pair.symbol, pair_id=claim.pair_id,
    )  # fmt: skip


def _residual_id(pair: Pair) -> str:
    return f"residual-{pair.pair_id}"


def _stranded_id(pair: Pair) -> str:
    return f"stranded-{pair.pair_id}-{pair.residual.strands}"


def _order_id(order: Order) -> str:
    return f"unknown-{order.order_id}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
