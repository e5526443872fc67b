"""Is the size allowed, does the worst case fit its limits, and can the account pay for it?

What a pair sells is what it bought, so there is nothing sellable to check before the purchase; that no
pair sells more than it bought is the gateway's last gate.
"""

from services.market.edge import clip_allowed
from services.risk.checks.case import Case
from services.risk.exposure import (
    cash_available_krw,
    exposure_by_symbol,
    marked_gain,
    not_valued,
    realised_krw,
    total_exposure_krw,
    unhedged_worst_krw,
)
from services.risk.ledger import orders_of_the_day


def order_size(case: Case) -> str | None:
    qty, price_krw, limits = case.intent.qty_shares, case.intent.side_a.price_krw, case.limits
    if not 1 <= qty <= limits.max_pair_shares:
        return f"qty={qty} limit={limits.max_pair_shares}"
    if clip_allowed(limits, price_krw, qty) < 1:
        return f"price_krw={price_krw} limit_krw={limits.max_order_krw}"
    return None


def exposure_symbol(case: Case) -> str | None:
    worst_krw = exposure_by_symbol(case.state).get(case.intent.symbol, 0) + case.worst_case_krw
    limit_krw = case.limits.max_exposure_symbol_krw
    return f"worst_krw={worst_krw} limit_krw={limit_krw}" if worst_krw > limit_krw else None


def exposure_total(case: Case) -> str | None:
    worst_krw = total_exposure_krw(case.state) + case.worst_case_krw
    limit_krw = case.limits.max_exposure_total_krw
    return f"worst_krw={worst_krw} limit_krw={limit_krw}" if worst_krw > limit_krw else None


def unhedged(case: Case) -> str | None:
    """Every open pair may hold a clip at the same moment, and this one another."""
    price_krw = case.intent.side_a.price_krw
    clip_krw = clip_allowed(case.limits, price_krw, case.intent.qty_shares) * price_krw
    worst_krw = unhedged_worst_krw(case.state) + clip_krw
    limit_krw = case.limits.max_unhedged_krw
    return f"worst_krw={worst_krw} limit_krw={limit_krw}" if worst_krw > limit_krw else None


def orders_left(case: Case) -> str | None:
    sent, limit = orders_of_the_day(case.state), case.limits.max_orders_per_day
    return f"orders={sent} limit={limit}" if sent >= limit else None


def cash(case: Case) -> str | None:
    available_krw = cash_available_krw(case.state)
    if available_krw is None or case.costs is None:
        return "cash=unknown"
    needed_krw = case.costs.buy_outlay_krw(case.buy_venue, case.worst_case_krw)
    return f"needed_krw={needed_krw} available_krw={available_krw}" if needed_krw > available_krw else None


def loss(case: Case) -> str | None:
    """Realised and marked together; what is held without a bid of now cannot be valued and denies."""
    unknown = not_valued(case.state)
    if unknown:
        return f"no_bid={','.join(unknown)}"
    loss_krw = -(realised_krw(case.state) + marked_gain(case.state).gain_krw)
    limit_krw = case.limits.max_daily_loss_krw
    return f"loss_krw={loss_krw} limit_krw={limit_krw}" if loss_krw > 0 and loss_krw >= limit_krw else None
