"""How evidence about an order that is not ours merges, and whether it could meet one of ours."""

from dataclasses import replace

from services.contracts.terms import Side
from services.gateway.evidence import Evidence


def meets(seen: Evidence, limit_krw: int | None) -> bool:
    """Whether an order of the other side with this limit could trade with what was seen."""
    if not limit_krw or not seen.price_krw:
        return True
    return seen.price_krw >= limit_krw if seen.side is Side.BUY else seen.price_krw <= limit_krw


def merge_foreign(before: Evidence | None, seen: Evidence) -> Evidence:
    if before is None:
        return seen
    remaining = [n for n in (before.remaining_shares, seen.remaining_shares) if n is not None]
    return replace(
        before,
        venue=before.venue or seen.venue,
        qty_shares=before.qty_shares if before.qty_shares is not None else seen.qty_shares,
        price_krw=before.price_krw if before.price_krw is not None else seen.price_krw,
        remaining_shares=min(remaining) if remaining else None,
        cum_qty_shares=max(before.cum_qty_shares or 0, seen.cum_qty_shares or 0),
        cum_amount_krw=max(before.cum_amount_krw or 0, seen.cum_amount_krw or 0),
        commission_krw=max(before.commission_krw, seen.commission_krw),
        tax_krw=max(before.tax_krw, seen.tax_krw),
    )


def progress(seen: Evidence) -> tuple[int, int, int | None]:
    return seen.cum_qty_shares or 0, seen.cum_amount_krw or 0, seen.remaining_shares
