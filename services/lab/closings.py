"""What the close of a pair must say: the sums of what was told of its orders, and what a person claimed."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from services.contracts.messages.control import ResidualClaimed
from services.contracts.messages.orders import OrderFacts
from services.contracts.messages.pairs import PairClosed, PairOutcome
from services.contracts.terms import Side

MOST_SUMS: Final = 50_000
"""Of so many different sums of claims none is looked for any more; ten claims have a thousand."""


def problems_of_close(
    closed: PairClosed, facts: Sequence[OrderFacts], claims: Sequence[ResidualClaimed]
) -> Iterator[str]:
    """Yield where quantities, costs and profit of a close are not those of its fills, costs and claims.

    `facts` are the last of each order of the pair, `claims` what a person has said of what it still held.
    """
    bought, sold = filled(facts, Side.BUY), filled(facts, Side.SELL)
    said = ((closed.bought_shares, closed.bought_krw), (closed.sold_shares, closed.sold_krw))
    if said != (bought, sold):
        yield f"its close says (shares, KRW) bought {said[0]}, sold {said[1]}; its fills are {bought}, {sold}"
    costs_krw = sum(one.commission_krw + one.tax_krw for one in facts)
    said_krw = closed.commission_krw + closed.tax_krw
    if said_krw != costs_krw:
        yield f"its close says {said_krw} KRW of commission and tax, its orders cost {costs_krw}"
    claimed = closed.outcome is PairOutcome.CLAIMED
    if not claimed and bought[0] != sold[0]:
        yield f"it closed {closed.outcome} with {bought[0]} shares bought and {sold[0]} sold"
    flow_krw = sold[1] - bought[1] - costs_krw
    sign = 1 if bought[0] >= sold[0] else -1
    rest_krw = closed.realised_pnl_krw - flow_krw
    amounts_krw = [claim.amount_krw for claim in claims]
    explained = brings(amounts_krw, sign * rest_krw) if claimed else rest_krw == 0
    if explained is None:
        yield f"its {len(claims)} claims are too many to tell whether some of them brought {rest_krw} KRW"
    elif not explained:
        yield (
            f"its close says a profit of {closed.realised_pnl_krw} KRW; its fills less costs come to "
            f"{flow_krw}" + (f", and no claim brought the rest ({len(claims)} on record)" if claimed else "")
        )


def brings(amounts_krw: Sequence[int], wanted_krw: int) -> bool | None:
    """Whether one or some of the amounts, none negative, come to `wanted_krw`; None where nobody can tell.

    Some of them: a claim may have been refused, or told twice. Only sums that can still come to what is
    wanted are kept, at most `MOST_SUMS`: the time grows with the amounts, not with their choices.
    """
    left_krw = sum(amounts_krw)
    sums = set[int]()
    for krw in sorted(amounts_krw, reverse=True):
        left_krw -= krw
        sums |= {krw, *(one + krw for one in sums)}
        if wanted_krw in sums:
            return True
        sums = {one for one in sums if wanted_krw - left_krw <= one < wanted_krw}
        if len(sums) > MOST_SUMS:
            return None
    return False


def filled(facts: Iterable[OrderFacts], side: Side) -> tuple[int, int]:
    """Return shares and KRW that orders filled on one side."""
    own = [one for one in facts if one.side is side]
    return sum(one.cum_qty_shares for one in own), sum(one.cum_amount_krw for one in own)
