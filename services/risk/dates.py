"""When a trading date begins for risk: tallies at nothing. Latches and what is open are carried.

The first word of a later date begins it, and the books of today are set aside until a second word confirms
that (`market.venue_view`). Where the gateway speaks of today again they hold as before: no wrong word takes
away what was won and lost. An earlier date ends nothing. `gates` bars entries while the dates differ.
"""

from services.contracts.terms import TradingDate
from services.risk.ledger import new_day, taken_back
from services.risk.state import Aside, Day, RiskState


def followed(state: RiskState) -> RiskState:
    """Return the state on the date that the gateway names now."""
    waiting = state.venue.ahead
    date = waiting[0].trading_date if waiting else state.venue.trading_date
    if state.aside is not None and date != state.day.trading_date:
        state = taken_back(state, state.aside)
    if date > state.day.trading_date:
        aside = _aside(state) if waiting else None
        begun: RiskState = new_day(state, Day(trading_date=date)).but(aside=aside)
        return begun
    return state if waiting or state.aside is None else state.but(aside=None)


def confirmed(state: RiskState) -> TradingDate:
    """The newest date that more than one word named."""
    return (state.day if state.aside is None else state.aside.day).trading_date


def _aside(state: RiskState) -> Aside:
    return Aside(
        day=state.day,
        before_krw={key: pair.before_krw for key, pair in state.pairs.items()},
        closed=state.closed,
        settled=state.settled,
        settled_krw=state.settled_krw,
        account=state.account,
        approved_at_ns=state.approved_at_ns,
        foreign=state.foreign,
    )
