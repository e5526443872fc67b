"""What risk tells people, in plain words with the next step. An id lasts as long as its trouble."""

from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.orders import ForeignOrderSeen, OrderRejected
from services.contracts.terms import Latch, Severity, Symbol, TradingState
from services.risk.gates import Gate

_LATCH_STEPS = {
    Latch.UNPLANNED_DISCONNECT: "See why the connection was lost, wait until it is ready and reconciled",
    Latch.REPEATED_ERRORS: "Read the refusals with `arb explain`, mend their cause",
    Latch.CUMULATIVE_LOSS: "Find out what lost money; raising max_daily_loss_krw needs a reason of its own",
    Latch.PAIR_LOSS: "See with `arb explain` how the pair lost it",
    Latch.LOSING_STREAK: "See with `arb report` what the last pairs lost by: costs, late sells or bad quotes",
    Latch.DRAWDOWN: "See with `arb report` what was lost since the day's best",
    Latch.UNHEDGED: "See with `arb status` what is held; `arb flatten` sells it, or sell it by hand and "
    "claim it with `arb residual resolve`",
    Latch.RESIDUAL_STRANDED: "Sell the position by hand and claim it with `arb residual resolve`",
    Latch.RECONCILIATION_DIFFERENCE: "Compare orders and holdings with the broker's own screen",
    Latch.CLOCKS: "Mend the clocks of the machines",
    Latch.MIXED_BUILDS: "Start every service from one build",
}


def latch_set(latch: Latch, detail: str) -> AlertRaised:
    return AlertRaised(
        alert_id=f"latch-{latch}",
        kind=AlertKind.LATCH,
        severity=Severity.CRITICAL,
        title=f"Trading is latched: {latch.replace('_', ' ')}",
        detail=detail,
        next_step=f"{_LATCH_STEPS[latch]}; then `arb latch clear {latch}` with a reason, and arm again.",
    )


def latch_cleared(latch: Latch, by: str, reason: str) -> AlertRaised:
    return AlertRaised(
        alert_id=f"latch-{latch}",
        kind=AlertKind.LATCH,
        severity=Severity.INFO,
        title=f"Latch lifted: {latch.replace('_', ' ')}",
        detail=f"{by}: {reason}",
        next_step="Arm with `arb arm` when ready.",
        resolved=True,
    )


def state_changed(cause_id: str, old: TradingState, new: TradingState, by: str, reason: str) -> AlertRaised:
    down = not new.allows_entries and old.allows_entries
    return AlertRaised(
        alert_id=f"state-{cause_id}",
        kind=AlertKind.TRADING_STATE,
        severity=Severity.WARNING if down else Severity.INFO,
        title=f"Trading is {new.replace('_', ' ')}",
        detail=f"It was {old.replace('_', ' ')}. {by}: {reason}",
        next_step="Nothing to do." if not down else "See `arb status`; arm again with `arb arm`.",
    )


def gate(closed: Gate | None, key: str, kind: AlertKind) -> AlertRaised:
    """A gate that closed while armed, or (`closed` None) that it is open again."""
    return AlertRaised(
        alert_id=f"gate-{key}",
        kind=kind,
        severity=Severity.WARNING if closed else Severity.INFO,
        title="New pairs wait" if closed else "New pairs may go on",
        detail=closed.sentence if closed else f"The gate {key} is open again.",
        next_step="It opens by itself; see `arb status` and `arb doctor` if it stays closed.",
        resolved=closed is None,
    )


def exposure_breach(worst_krw: int, limit_krw: int, *, over: bool) -> AlertRaised:
    return AlertRaised(
        alert_id="breach-exposure",
        kind=AlertKind.LIMIT_BREACH,
        severity=Severity.WARNING if over else Severity.INFO,
        title="Exposure is above its limit" if over else "Exposure is within its limit again",
        detail=f"The worst case of all open pairs is {worst_krw} KRW, the limit {limit_krw} KRW.",
        next_step="No new pair is approved until it has fallen; `arb reduce` closes what is open.",
        amount_krw=worst_krw,
        resolved=not over,
    )


def foreign_order(order: ForeignOrderSeen) -> AlertRaised:
    return AlertRaised(
        alert_id=f"foreign-{order.trading_date}-{order.broker_order_no}",
        kind=AlertKind.FOREIGN_ORDER,
        severity=Severity.CRITICAL,
        title=f"An order that is not ours in {order.symbol}",
        detail=f"Order {order.broker_order_no}: {order.side} {order.qty_shares} on {order.venue}, "
        f"{order.cum_qty_shares} filled. {order.symbol} is paused.",
        next_step=f"Find out whose it is, then `arb symbols resume {order.symbol}` with a reason.",
        symbol=order.symbol,
    )


def symbol_pause(cause_id: str, symbol: Symbol, by: str, reason: str, *, paused: bool) -> AlertRaised:
    return AlertRaised(
        alert_id=f"pause-{cause_id}",
        kind=AlertKind.TRADING_STATE,
        severity=Severity.INFO,
        title=f"{symbol} is {'paused' if paused else 'resumed'}",
        detail=f"{by}: {reason}",
        next_step=f"Resume it with `arb symbols resume {symbol}`." if paused else "Nothing to do.",
        symbol=symbol,
    )


def foreign_settled(order: ForeignOrderSeen, by: str, reason: str) -> AlertRaised:
    return foreign_order(order).model_copy(
        update={"severity": Severity.INFO, "detail": f"{by}: {reason}", "resolved": True}
    )


def api_error(rejected: OrderRejected, trading_date: str) -> AlertRaised:
    facts = rejected.facts
    return AlertRaised(
        alert_id=f"api-{trading_date}-{rejected.code}",
        kind=AlertKind.API_ERROR,
        severity=Severity.WARNING,
        title=f"The broker rejected an order: {rejected.code}",
        detail=f"{rejected.text} ({facts.side} {facts.qty_shares} {facts.symbol} on {facts.venue}, "
        f"order {facts.order_id}).",
        next_step=f"See `arb explain {facts.pair_id}`.",
        symbol=facts.symbol,
        pair_id=facts.pair_id,
    )


def repeated(symbol: Symbol, why: str) -> AlertRaised:
    """A symbol that traded too often in a short time waits for a person."""
    return AlertRaised(
        alert_id=f"repeated-{symbol}",
        kind=AlertKind.LIMIT_BREACH,
        severity=Severity.WARNING,
        title=f"{symbol} traded too often and is paused",
        detail=f"{why}. The other symbols go on.",
        next_step=f"See with `arb explain` whether its pairs earn what they should; then "
        f"`arb symbols resume {symbol}` with a reason.",
        symbol=symbol,
    )


def repeated_settled(symbol: Symbol, by: str, reason: str) -> AlertRaised:
    return repeated(symbol, "").model_copy(
        update={"severity": Severity.INFO, "detail": f"{by}: {reason}", "resolved": True}
    )


def orders_spent(count: int, limit: int, *, over: bool) -> AlertRaised:
    return AlertRaised(
        alert_id="breach-orders",
        kind=AlertKind.LIMIT_BREACH,
        severity=Severity.WARNING if over else Severity.INFO,
        title="The day's orders are spent" if over else "There are orders left again",
        detail=f"{count} orders were sent today, the limit is {limit}.",
        next_step="No new pair begins today; what is open is sold. See with `arb report` what used them up.",
        resolved=not over,
    )


def files_refused(problems: tuple[str, ...], *, in_force: bool) -> AlertRaised:
    kept = "What was in force stays in force." if in_force else "Nothing is in force: nothing can trade."
    return AlertRaised(
        alert_id="reference-files",
        kind=AlertKind.REFERENCE,
        severity=Severity.WARNING if in_force else Severity.CRITICAL,
        title="Reference data cannot be used",
        detail="\n".join((*problems, kept)),
        next_step="Mend the lines named, then `arb limits reload`.",
    )


def files_good() -> AlertRaised:
    return AlertRaised(
        alert_id="reference-files",
        kind=AlertKind.REFERENCE,
        severity=Severity.INFO,
        title="Reference data can be used again",
        detail="The files were read without a problem.",
        next_step="Nothing to do.",
        resolved=True,
    )


def not_eligible(trading_date: str, names: tuple[str, ...]) -> AlertRaised:
    return AlertRaised(
        alert_id=f"eligibility-{trading_date}",
        kind=AlertKind.REFERENCE,
        severity=Severity.WARNING,
        title=f"{len(names)} symbols cannot be traded on NXT today",
        detail=", ".join(names),
        next_step="Nothing to do: they are off for the day. Take them off symbol_map.csv if it lasts.",
    )


def overrides_dropped(cause_id: str, names: tuple[str, ...]) -> AlertRaised:
    return AlertRaised(
        alert_id=f"overrides-{cause_id}",
        kind=AlertKind.REFERENCE,
        severity=Severity.WARNING,
        title="limits.toml changed: limits set by hand no longer hold",
        detail=f"Dropped: {', '.join(names)}.",
        next_step="Set them again with `arb limits set` if they are still wanted.",
    )
