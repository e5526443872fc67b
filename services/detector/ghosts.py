"""Directions that a pair lost on: nothing is said of one until its bid has moved and a time has passed.

A bid that was not there when it was sold to may flicker, so that it moved is not enough. The time doubles
with each loss of the day in that direction, and a pair that sold all of its shares there ends it. At the
third loss a person is told.
"""

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.pairs import PairClosed
from services.contracts.terms import Severity
from services.contracts.trading_limits import STRICTEST
from services.detector.state import DetectorState, Ghost, OpenPair
from services.market.crossed_markets import Direction

DOUBLINGS_MAX = 13
"""From the shortest default of 10 s that is 22 hours, beyond any trading day."""
TOLD_LOSSES = 3


def after_close(state: DetectorState, pair: OpenPair, closed: PairClosed) -> DetectorState:
    """Return the state after a pair: what it left to be liquidated is a loss of its direction."""
    left = {known: ghost for known, ghost in state.ghosts.items() if known not in pair.directions}
    if closed.residual_shares_max:
        left |= {direction: _lost(state, direction, pair, closed) for direction in pair.directions}
    elif not closed.sold_at_rich_shares:
        return state
    changed: DetectorState = state if left == state.ghosts else state.but(ghosts=left)
    return changed


def told(before: DetectorState, after: DetectorState, closed_at_ns: int) -> list[AlertRaised]:
    """Return the alerts for directions that lost so often by a close that a person has to know."""
    return [
        _fails(direction, ghost, closed_at_ns)
        for direction, ghost in after.ghosts.items()
        if ghost.losses == TOLD_LOSSES and ghost != before.ghosts.get(direction)
    ]


def _fails(direction: Direction, ghost: Ghost, closed_at_ns: int) -> AlertRaised:
    symbol, buy_venue = direction
    return raised(
        AlertCode.BID_FAILS,
        f"bid-fails-{symbol}-{buy_venue}-{closed_at_ns}",
        Severity.WARNING,
        {
            "symbol": symbol,
            "buy_venue": buy_venue.value,
            "sell_venue": buy_venue.other.value,
            "count": ghost.losses,
            "limit": (ghost.until_ns - closed_at_ns) // NS_PER_MS,
        },
        symbol=symbol,
    )


def after_book(state: DetectorState, direction: Direction) -> DetectorState:
    """Return the state after a book of the venue to sell on: whether the bid has moved."""
    ghost = state.ghosts.get(direction)
    if ghost is None or ghost.moved:
        return state
    epoch, bid_krw = _bid_of(state, direction)
    if bid_krw is None or (epoch, bid_krw) == (ghost.connection_epoch, ghost.bid_krw):
        return state
    changes = {"connection_epoch": epoch, "bid_krw": bid_krw, "moved": ghost.bid_krw is not None}
    changed: DetectorState = state.but(ghosts={**state.ghosts, direction: ghost.model_copy(update=changes)})
    return changed


def barred(state: DetectorState, direction: Direction, now_ns: int) -> bool:
    """Whether nothing may be said of a direction at `now_ns`. The time of an earlier date is over."""
    ghost = state.ghosts.get(direction)
    if ghost is None:
        return False
    today = ghost.trading_date == state.venue.trading_date
    return not ghost.moved or (today and now_ns < ghost.until_ns)


def _lost(state: DetectorState, direction: Direction, pair: OpenPair, closed: PairClosed) -> Ghost:
    before = state.ghosts.get(direction)
    losses = before.losses + 1 if before is not None and before.trading_date == pair.trading_date else 1
    limits = state.reference.limits if state.reference is not None else STRICTEST
    bar_ns = limits.ghost_bar_ms * NS_PER_MS << min(losses - 1, DOUBLINGS_MAX)
    epoch, bid_krw = _bid_of(state, direction)
    return Ghost(
        connection_epoch=epoch,
        bid_krw=bid_krw,
        trading_date=pair.trading_date,
        losses=losses,
        until_ns=closed.closed_at_ns + bar_ns,
    )


def _bid_of(state: DetectorState, direction: Direction) -> tuple[int, int | None]:
    """The connection and the bid of the venue to sell on now; a frame that was refused shows none."""
    symbol, buy_venue = direction
    book = state.books.get((symbol, buy_venue.other))
    if book is None:
        return -1, None
    bids = book.quote.bids
    return book.quote.connection_epoch, bids[0][0] if bids else None
