"""What risk tells people. An id lasts as long as its trouble; the words stand in the contracts."""

import re

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.messages.alerts import AlertRaised, Fact
from services.contracts.messages.orders import ForeignOrderSeen, OrderRejected
from services.contracts.messages.venue_state import SymbolHaltChanged
from services.contracts.terms import Latch, Severity, Symbol, TradingState
from services.risk.gates import Gate, GateKey


def latch_set(latch: Latch, detail: str, after: TradingState) -> AlertRaised:
    """`after` is the state in force from now on: the latch says so itself, one event is told once."""
    facts = {"latch": latch.value, "problem": detail, "state": after.value}
    return raised(AlertCode.LATCHED, f"latch-{latch}", Severity.CRITICAL, facts)


def latch_cleared(latch: Latch, by: str, reason: str) -> AlertRaised:
    facts = {"latch": latch.value, "by": by, "reason": reason}
    return raised(AlertCode.LATCHED, f"latch-{latch}", Severity.INFO, facts, resolved=True)


def state_changed(cause_id: str, old: TradingState, new: TradingState, by: str, reason: str) -> AlertRaised:
    down = not new.allows_entries and old.allows_entries
    return raised(
        AlertCode.STATE_LOWERED if down else AlertCode.STATE_CHANGED,
        f"state-{cause_id}",
        Severity.WARNING if down else Severity.INFO,
        {"old": old.value, "new": new.value, "by": by, "reason": reason},
    )


def gate(closed: Gate | None, key: GateKey) -> AlertRaised:
    """A gate that closed while armed, or (`closed` None) that it is open again."""
    return raised(
        AlertCode(f"gate_{key}"),
        f"gate-{key}",
        Severity.WARNING if closed else Severity.INFO,
        {"problem": closed.sentence} if closed else {},
        resolved=closed is None,
    )


def exposure_breach(worst_krw: int, limit_krw: int, *, over: bool) -> AlertRaised:
    return raised(
        AlertCode.EXPOSURE_OVER,
        "breach-exposure",
        Severity.WARNING if over else Severity.INFO,
        {"worst": worst_krw, "limit": limit_krw},
        amount_krw=worst_krw,
        resolved=not over,
    )


def orders_spent(count: int, limit: int, *, over: bool) -> AlertRaised:
    return raised(
        AlertCode.ORDERS_SPENT,
        "breach-orders",
        Severity.WARNING if over else Severity.INFO,
        {"count": count, "limit": limit},
        resolved=not over,
    )


def foreign_order(order: ForeignOrderSeen) -> AlertRaised:
    facts = {
        "symbol": order.symbol, "broker_order": order.broker_order_no, "side": order.side.value,
        "qty": order.qty_shares, "filled": order.cum_qty_shares, "venue": order.venue.value,
    }  # fmt: skip
    return raised(AlertCode.FOREIGN_ORDER, _foreign_id(order), Severity.CRITICAL, facts, symbol=order.symbol)


def foreign_settled(order: ForeignOrderSeen, by: str, reason: str) -> AlertRaised:
    return raised(
        AlertCode.FOREIGN_ORDER, _foreign_id(order), Severity.INFO,
        {"symbol": order.symbol, "by": by, "reason": reason}, symbol=order.symbol, resolved=True,
    )  # fmt: skip


def symbol_pause(cause_id: str, symbol: Symbol, by: str, reason: str, *, paused: bool) -> AlertRaised:
    return raised(
        AlertCode.SYMBOL_PAUSED if paused else AlertCode.SYMBOL_RESUMED,
        f"pause-{cause_id}",
        Severity.INFO,
        {"symbol": symbol, "by": by, "reason": reason},
        symbol=symbol,
    )


def symbol_halt(change: SymbolHaltChanged, *, open_pair: bool) -> AlertRaised:
    """A symbol that stopped on a venue, or goes on; with an open pair of it somebody should look."""
    return raised(
        AlertCode.SYMBOL_HALTED,
        f"halt-{change.symbol}-{change.venue}-{change.kind}",
        Severity.WARNING if change.halted and open_pair else Severity.INFO,
        {"symbol": change.symbol, "venue": change.venue.value, "halt": change.kind.value,
         "problem": change.detail},
        symbol=change.symbol,
        resolved=not change.halted,
    )  # fmt: skip


def repeated(symbol: Symbol, why: str) -> AlertRaised:
    """A symbol that traded too often in a short time waits for a person."""
    return raised(
        AlertCode.SYMBOL_REPEATED, f"repeated-{symbol}", Severity.WARNING,
        {"symbol": symbol, "problem": why}, symbol=symbol,
    )  # fmt: skip


def repeated_settled(symbol: Symbol, by: str, reason: str) -> AlertRaised:
    return raised(
        AlertCode.SYMBOL_REPEATED, f"repeated-{symbol}", Severity.INFO,
        {"symbol": symbol, "by": by, "reason": reason}, symbol=symbol, resolved=True,
    )  # fmt: skip


def api_error(rejected: OrderRejected, trading_date: str) -> AlertRaised:
    facts, error = rejected.facts, _code_of(rejected)
    return raised(
        AlertCode.API_REJECTED, f"api-{trading_date}-{error}", Severity.WARNING,
        {"error": error, "problem": rejected.text, "side": facts.side.value, "qty": facts.qty_shares,
         "symbol": facts.symbol, "venue": facts.venue.value, "order": facts.order_id, "pair": facts.pair_id},
        symbol=facts.symbol, pair_id=facts.pair_id, amount_krw=facts.qty_shares * facts.price_krw,
    )  # fmt: skip


def _code_of(rejected: OrderRejected) -> str:
    """A rejection that comes as a message has its code in the text alone: `[RC4041] ...`."""
    in_text = re.match(r"\[(\w+)\]", rejected.text)
    return rejected.code or (in_text[1] if in_text else "no code")


def files_refused(problems: tuple[str, ...], *, in_force: bool) -> AlertRaised:
    return raised(
        AlertCode.REFERENCE_REFUSED if in_force else AlertCode.REFERENCE_ABSENT,
        "reference-files",
        Severity.WARNING if in_force else Severity.CRITICAL,
        {"problem": "\n".join(problems)},
    )


def limits_differ(differences: tuple[str, ...]) -> AlertRaised:
    facts: dict[str, Fact] = {"count": len(differences), "differences": "\n".join(differences)}
    return raised(AlertCode.LIMITS_DIFFER, "limits-differ", Severity.WARNING, facts)


def files_good() -> AlertRaised:
    return raised(AlertCode.REFERENCE_REFUSED, "reference-files", Severity.INFO, {}, resolved=True)


def not_eligible(trading_date: str, names: tuple[str, ...]) -> AlertRaised:
    facts: dict[str, Fact] = {"count": len(names), "symbols": ", ".join(names)}
    return raised(AlertCode.NOT_ELIGIBLE, f"eligibility-{trading_date}", Severity.WARNING, facts)


def symbol_kept(symbol: Symbol, *, over: bool) -> AlertRaised:
    severity = Severity.INFO if over else Severity.WARNING
    facts: dict[str, Fact] = {"symbol": symbol}
    return raised(AlertCode.SYMBOL_KEPT, f"kept-{symbol}", severity, facts, symbol=symbol, resolved=over)


def overrides_dropped(cause_id: str, names: tuple[str, ...]) -> AlertRaised:
    facts = {"names": ", ".join(names)}
    return raised(AlertCode.OVERRIDES_DROPPED, f"overrides-{cause_id}", Severity.WARNING, facts)


def _foreign_id(order: ForeignOrderSeen) -> str:
    return f"foreign-{order.trading_date}-{order.broker_order_no}"
