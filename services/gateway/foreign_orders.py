"""How evidence about an order that is not ours merges, and whether it could meet one of ours."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from services.contracts.terms import Side
from services.gateway.evidence import Evidence


def meets(seen: Evidence, limit_krw: int | None) -> bool:
    """Whether an order of the other side with this limit could trade with what was seen."""
    if not limit_krw or not seen.price_krw:
        return True
    return seen.price_krw >= limit_krw if seen.side is Side.BUY else seen.price_krw <= limit_krw


def at_risk_shares(seen: Evidence) -> int | None:
    """Return what an order has filled and may still fill, None where nobody knows how much that is."""
    filled = seen.cum_qty_shares or 0
    if not seen.works:
        return filled
    return seen.qty_shares if seen.remaining_shares is None else filled + seen.remaining_shares


def refused_beside(before: Evidence | None, seen: Evidence) -> bool:
    """Whether a refusal ends nothing: of a change of the order it names, or of one that filled."""
    if before is None or not seen.rejected:
        return False
    return bool(before.cum_qty_shares) or (seen.changes and not before.changes)


def merged(waiting: Sequence[Evidence]) -> Evidence:
    """Return what all evidence of one number says together."""
    return reduce(merge_foreign, waiting[1:], _ended(waiting[0]))


def merge_foreign(before: Evidence | None, seen: Evidence) -> Evidence:
    """Return what is known after one more frame or row. What fits beside the fills is believed: what shows
    shares open opens what was over, and one that the fills have overtaken says nothing of the rest."""
    if before is None:
        return _ended(seen)
    if refused_beside(before, seen):
        return before
    seen = _ended(seen)
    return replace(
        before,
        venue=before.venue or seen.venue,
        qty_shares=before.qty_shares if before.qty_shares is not None else seen.qty_shares,
        price_krw=before.price_krw if before.price_krw is not None else seen.price_krw,
        original_no=before.original_no or seen.original_no,
        remaining_shares=_rest(before, seen),
        cum_qty_shares=max(before.cum_qty_shares or 0, seen.cum_qty_shares or 0),
        cum_amount_krw=max(before.cum_amount_krw or 0, seen.cum_amount_krw or 0),
        commission_krw=max(before.commission_krw, seen.commission_krw),
        tax_krw=max(before.tax_krw, seen.tax_krw),
    )


def _ended(seen: Evidence) -> Evidence:
    """Return evidence whose word of refusal is its end, so that later evidence may say otherwise."""
    return replace(seen, remaining_shares=0, state=None) if seen.rejected else seen


def _rest(before: Evidence, seen: Evidence) -> int | None:
    known, told = before.remaining_shares, seen.remaining_shares
    filled = max(before.cum_qty_shares or 0, seen.cum_qty_shares or 0)
    qty_shares = before.qty_shares if before.qty_shares is not None else seen.qty_shares
    if filled and filled == qty_shares:
        return 0
    if told is None:
        return None if known == 0 and filled > (before.cum_qty_shares or 0) else known
    overtaken = qty_shares is not None and told + filled > qty_shares
    if known is None or (known == 0 and not overtaken):
        return told
    return min(known, told)


def progress(seen: Evidence) -> tuple[int, int, int | None]:
    return seen.cum_qty_shares or 0, seen.cum_amount_krw or 0, seen.remaining_shares
