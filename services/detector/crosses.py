"""Measures crosses above cost: when one opened, the best it was, and how long it lasted.

The answer to whether the business exists, so it does not depend on what we do: not on a cooldown, a
pair, the trading state or the age of a quiet book, only on the market (conditions.MARKET).
"""

from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.alerts import AlertRaised, Fact
from services.contracts.messages.intents import CrossEnded
from services.contracts.step import Outgoing, Step
from services.contracts.terms import MovedLast, Severity
from services.contracts.trading_limits import STRICTEST, TradingLimits
from services.detector.state import DetectorState, OpenCross
from services.market.crossed_markets import Direction
from services.market.edge import Edge


def measured(
    state: DetectorState, direction: Direction, edge: Edge | None, now_ns: int
) -> Step[DetectorState]:
    """Take in what a direction is worth now (None: it does not cross, or the market is not there)."""
    known = state.crosses.get(direction)
    if edge is None or edge.net_krw <= 0:
        return Step(state) if known is None else _ended(state, direction, known, now_ns)
    limits = state.reference.limits if state.reference is not None else STRICTEST
    cross = _grown(known or OpenCross(now_ns, 0, 0), edge)
    since_ns = max(cross.opened_at_ns, state.taken_ns.get(direction, 0))
    cross = replace(
        cross,
        beyond_ceiling=edge.beyond_ceiling(limits),
        standing=now_ns - since_ns > limits.max_cross_ms * NS_PER_MS,
        moved_last=_mover(state, direction, cross),
    )
    if cross == known:
        return Step(state)
    out = _changes(direction, known or OpenCross(now_ns, 0, 0), cross, edge, limits)
    return Step(state.but(crosses={**state.crosses, direction: cross}), out)


def _mover(state: DetectorState, direction: Direction, cross: OpenCross) -> MovedLast:
    crossed = state.crossed.get(direction)
    return cross.moved_last if crossed is None else crossed.moved_last


def kept_back(state: DetectorState, direction: Direction, *, too_young: bool) -> DetectorState:
    """Return the state that remembers whether the cross still is too young to be spoken of."""
    cross = state.crosses.get(direction)
    if cross is None or cross.too_young is too_young:
        return state
    crosses = {**state.crosses, direction: replace(cross, too_young=too_young)}
    changed: DetectorState = state.but(crosses=crosses)
    return changed


def _grown(cross: OpenCross, edge: Edge) -> OpenCross:
    if edge.net_krw <= cross.peak_net_edge_krw:
        return cross
    return replace(cross, peak_net_edge_krw=edge.net_krw, peak_qty_shares=edge.qty_shares)


def _ended(state: DetectorState, direction: Direction, cross: OpenCross, now_ns: int) -> Step[DetectorState]:
    symbol, buy_venue = direction
    ended = CrossEnded(
        symbol=symbol,
        buy_venue=buy_venue,
        sell_venue=buy_venue.other,
        opened_at_ns=cross.opened_at_ns,
        duration_ms=(now_ns - cross.opened_at_ns) // NS_PER_MS,
        peak_net_edge_krw=cross.peak_net_edge_krw,
        peak_qty_shares=cross.peak_qty_shares,
        moved_last=cross.moved_last,
        too_young=cross.too_young,
    )
    left = {key: value for key, value in state.crosses.items() if key != direction}
    out: tuple[Outgoing, ...] = (Outgoing(ended),)
    if cross.beyond_ceiling:
        out += (Outgoing(_ceiling(direction, None)),)
    if cross.standing:
        out += (Outgoing(_standing(direction, None)),)
    return Step(state.but(crosses=left, crosses_ended=state.crosses_ended + 1), out)


def _changes(
    direction: Direction, before: OpenCross, cross: OpenCross, edge: Edge, limits: TradingLimits
) -> tuple[Outgoing, ...]:
    """What there is to tell about a cross that goes on."""
    out: tuple[Outgoing, ...] = ()
    if cross.beyond_ceiling != before.beyond_ceiling:
        out += (Outgoing(_ceiling(direction, edge if cross.beyond_ceiling else None)),)
    if cross.standing != before.standing:
        out += (Outgoing(_standing(direction, limits.max_cross_ms if cross.standing else None)),)
    return out


def _standing(direction: Direction, max_cross_ms: int | None) -> AlertRaised:
    """The alert of a cross that nobody takes, or that it is over (`max_cross_ms` None)."""
    symbol, buy_venue = direction
    facts: dict[str, Fact] = {"symbol": symbol}
    if max_cross_ms is not None:
        facts |= {"buy_venue": buy_venue.value, "sell_venue": buy_venue.other.value, "limit": max_cross_ms}
    return raised(
        AlertCode.CROSS_STANDING,
        f"standing-{symbol}-{buy_venue}",
        Severity.INFO if max_cross_ms is None else Severity.WARNING,
        facts,
        symbol=symbol,
        resolved=max_cross_ms is None,
    )


def _ceiling(direction: Direction, edge: Edge | None) -> AlertRaised:
    """The alert of a spread too good to be true, or that it is over (`edge` None)."""
    symbol, buy_venue = direction
    facts: dict[str, Fact] = {"symbol": symbol}
    if edge is not None:
        facts |= {
            "buy_venue": buy_venue.value, "sell_venue": buy_venue.other.value, "edge_bps": str(edge.net_bps),
            "ask": edge.buy_price_worst_krw, "bid": edge.sell_price_worst_krw,
        }  # fmt: skip
    return raised(
        AlertCode.SPREAD_ANOMALY,
        f"spread-{symbol}-{buy_venue}",
        Severity.WARNING,
        facts,
        symbol=symbol,
        amount_krw=None if edge is None else edge.net_krw,
        resolved=edge is None,
    )
