"""What risk shows at a scrape: state, latches, gates, exposure against its limits, money."""

from collections.abc import Iterable

from services.contracts.measures import risk as m
from services.contracts.metric import Reading, seconds, states
from services.contracts.terms import Latch, Symbol, TradingState
from services.risk.exposure import (
    cash_available_krw,
    exposure_by_symbol,
    marked_gain,
    realised_krw,
)
from services.risk.gates import GateKey, closed_gates
from services.risk.latches import ERROR_WINDOW_NS
from services.risk.ledger import orders_of_the_day
from services.risk.state import RiskState


def readings(state: RiskState, now_ns: int) -> Iterable[Reading]:
    """Return every figure of the desk."""
    yield from _stops(state, now_ns)
    yield from _exposure(state, now_ns)
    yield from _money(state)


def _stops(state: RiskState, now_ns: int) -> Iterable[Reading]:
    yield from states(m.STATE, TradingState, state.trading.state)
    for latch in Latch:
        yield m.LATCH.at(latch in state.trading.latched, latch)
    closed = {gate.key for gate in closed_gates(state, now_ns)}
    for key in GateKey:
        yield m.GATE_CLOSED.at(key in closed, key)
    yield m.PAUSED.at(len(state.paused))
    for name, beat in state.beats.items():
        yield m.HEARTBEAT_AGE.at(seconds(max(0, now_ns - beat.at_ns)), name)


def _exposure(state: RiskState, now_ns: int) -> Iterable[Reading]:
    by_symbol = exposure_by_symbol(state)
    yield m.OPEN_PAIRS.at(len(state.pairs))
    yield m.EXPOSURE.at(sum(by_symbol.values()))
    for symbol, worst_krw in by_symbol.items():
        yield m.SYMBOL_EXPOSURE.at(worst_krw, symbol)
    limits = {} if state.reference is None else state.reference.limits.model_dump()
    for name, value in limits.items():
        if isinstance(value, int):
            yield m.LIMIT.at(value, name)
    oldest_ns = now_ns - ERROR_WINDOW_NS
    yield m.BROKER_ERRORS.at(sum(seen.at_ns > oldest_ns for seen in state.errors.values()))


def _money(state: RiskState) -> Iterable[Reading]:
    orders = (*state.orders.values(), *state.settled.values())
    yield m.REALISED.at(realised_krw(state))
    yield m.MARKED.at(marked_gain(state).gain_krw)
    yield m.COMMISSION.at(sum(order.commission_krw for order in orders))
    yield m.TAX.at(sum(order.tax_krw for order in orders))
    yield m.TURNOVER.at(sum(order.cum_amount_krw for order in orders))
    yield m.TRIPS.at(sum(state.day.trips.values()))
    yield m.ORDERS.at(orders_of_the_day(state))
    for symbol, krw in _settled_by_symbol(state).items():
        yield m.SYMBOL_PNL.at(krw, symbol)
    if state.account is None:
        return
    cash_krw, opening_krw = state.account.report.cash_krw, state.day.opening_cash_krw
    yield m.CASH.at(cash_krw)
    yield m.CASH_CHANGE.at(0 if opening_krw is None else cash_krw - opening_krw)
    yield m.CASH_LEFT.at(cash_available_krw(state) or 0)


def _settled_by_symbol(state: RiskState) -> dict[Symbol, int]:
    """What the closed pairs of each symbol brought, KRW after costs."""
    by_symbol: dict[Symbol, int] = {}
    for pair_id, result_krw in state.settled_krw.items():
        symbol = state.closed[pair_id].symbol
        by_symbol[symbol] = by_symbol.get(symbol, 0) + result_krw
    return by_symbol
