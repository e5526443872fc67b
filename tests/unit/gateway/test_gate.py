"""The last gate: each reason on its own, from a view in which nothing else is wrong."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.limits import COMMAND_TTL_MS, NS_PER_MS
from services.contracts.messages.orders import OrderFacts
from services.contracts.messages.venue_state import HaltKind, PriceBand
from services.contracts.reasons import GateReason
from services.contracts.terms import (
    GatewayMode,
    Market,
    OrderKind,
    Purpose,
    SessionPhase,
    Side,
    Symbol,
    TradingState,
    Venue,
)
from services.contracts.tick_grid import TickGrid
from services.gateway.gate import GateView, check
from services.gateway.order_table import OrderRecord, OrderTable, Stage
from services.gateway.vi_halts import HaltBoard
from services.market.files import load_market
from services.market.hoga import OrderAction
from services.runtime.settings import config_dir

from .desk import DATE, LOWER_KRW, SYMBOL, UPPER_KRW, at, exit_order, order, reference

NOW = at(10)
BAND = PriceBand(base_krw=199_400, lower_krw=LOWER_KRW, upper_krw=UPPER_KRW)


def record(order_id: str, side: Side, **changes: Any) -> OrderRecord:
    stage = changes.pop("stage", Stage.ACCEPTED)
    facts = OrderFacts(
        order_id=order_id, pair_id="P1", symbol=SYMBOL, venue=changes.pop("venue", Venue.KRX), side=side,
        kind=OrderKind.LIMIT_IOC, purpose=Purpose.ENTRY if side is Side.BUY else Purpose.EXIT, qty_shares=10,
        price_krw=199_500, trading_date=DATE,
    ).model_copy(update={"broker_order_no": order_id.zfill(7)} | changes)  # fmt: skip
    return OrderRecord(facts, OrderAction.NEW, stage, "5000", NOW)


def bought(qty: int = 10, **changes: Any) -> OrderTable:
    filled = {"cum_qty_shares": qty, "cum_amount_krw": qty * 199_500, "closed": True}
    return OrderTable().with_record(record("1", Side.BUY, stage=Stage.CLOSED, **filled, **changes))


GOOD = GateView(
    now_ns=NOW, mode=GatewayMode.SIMULATED, halt_file=False, halted=False, trading_state=TradingState.ARMED,
    flatten=frozenset(), lease_problem="", ready=True, not_ready_because="", watched=True, entry_window=True,
    phases=dict.fromkeys(Venue, SessionPhase.CONTINUOUS), halts=HaltBoard(), reference=reference(),
    warnings=frozenset(), bands={SYMBOL: BAND}, hoga=load_market(config_dir()).hoga, orders=bought(),
    superseded=frozenset(),
)  # fmt: skip


def halted(venue: Venue, kind: HaltKind) -> HaltBoard:
    return HaltBoard().set(SYMBOL, venue, kind, True)[0]


def reason(view: GateView, **changes: Any) -> GateReason | None:
    denial = check(view, order(NOW, **changes))
    return denial and denial[0]


def exit_reason(view: GateView, **changes: Any) -> GateReason | None:
    denial = check(view, exit_order(NOW, **changes))
    return denial and denial[0]


def test_a_good_entry_and_a_good_exit_pass() -> None:
    assert reason(GOOD) is None
    assert exit_reason(GOOD) is None


def test_what_was_bought_is_sold_though_interruptions_are_not_told_of() -> None:
    assert exit_reason(replace(GOOD, watched=False)) is None


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"mode": GatewayMode.OBSERVE}, GateReason.MODE),
        ({"halt_file": True}, GateReason.HALT_FILE),
        ({"halted": True}, GateReason.HALTED),
        ({"trading_state": TradingState.PAUSE_ENTRY}, GateReason.TRADING_STATE),
        ({"trading_state": TradingState.REDUCE_ONLY}, GateReason.TRADING_STATE),
        ({"trading_state": TradingState.DISARMED}, GateReason.TRADING_STATE),
        ({"superseded": frozenset({"P1.1.b.1"})}, GateReason.SUPERSEDED),
        ({"ready": False, "not_ready_because": "x"}, GateReason.NOT_READY),
        ({"watched": False}, GateReason.NOT_READY),
        ({"lease_problem": "it is not renewed"}, GateReason.LEASE),
        ({"entry_window": False}, GateReason.WINDOW_CLOSED),
        ({"reference": None}, GateReason.SYMBOL_UNKNOWN),
        ({"warnings": frozenset({SYMBOL})}, GateReason.ORDER_WARNING),
        ({"bands": {}}, GateReason.COLLAR),
        ({"phases": {Venue.KRX: SessionPhase.PAUSE}}, GateReason.ORDER_KIND),
        ({"phases": {}}, GateReason.ORDER_KIND),
        ({"halts": halted(Venue.KRX, HaltKind.TRADING_HALT)}, GateReason.SYMBOL_HALTED),
        ({"halts": halted(Venue.NXT, HaltKind.VOLATILITY_INTERRUPTION)}, GateReason.SYMBOL_HALTED),
        ({"halts": halted(Venue.NXT, HaltKind.NOT_ELIGIBLE)}, GateReason.SYMBOL_HALTED),
        ({"orders": bought().with_record(record("2", Side.SELL))}, GateReason.SELF_CROSS),
        (
            {"orders": OrderTable().with_record(record("2", Side.BUY, stage=Stage.SENT, broker_order_no=""))},
            GateReason.UNACKNOWLEDGED,
        ),
        (
            {
                "orders": OrderTable().with_record(
                    record("2", Side.SELL, stage=Stage.UNKNOWN, broker_order_no="")
                )
            },
            GateReason.SELF_CROSS,
        ),
    ],
)
def test_an_entry_is_denied_for_each_thing_that_is_wrong(wrong: dict[str, Any], expected: GateReason) -> None:
    assert reason(replace(GOOD, **wrong)) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"expires_at_ns": NOW - NS_PER_MS}, GateReason.EXPIRED),
        ({"expires_at_ns": NOW + (COMMAND_TTL_MS + 2_000) * NS_PER_MS}, GateReason.EXPIRED),
        ({"symbol": Symbol("999999")}, GateReason.SYMBOL_UNKNOWN),
        ({"side": Side.SELL}, GateReason.ORDER_KIND),
        ({"qty_shares": 21}, GateReason.ORDER_SIZE),
        ({"price_krw": 199_550}, GateReason.COLLAR),
        ({"price_krw": UPPER_KRW + 500}, GateReason.COLLAR),
        ({"price_krw": LOWER_KRW - 100}, GateReason.COLLAR),
        ({"price_krw": 198_300}, GateReason.COLLAR),
        ({"reference_price_krw": 0}, GateReason.COLLAR),
        ({"kind": OrderKind.MARKET, "price_krw": 0, "venue": Venue.NXT}, GateReason.ORDER_KIND),
        ({"kind": OrderKind.MARKET, "price_krw": 199_500}, GateReason.COLLAR),
    ],
)
def test_an_entry_is_denied_for_each_thing_it_asks_for(changes: dict[str, Any], expected: GateReason) -> None:
    assert reason(GOOD, **changes) is expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"lease_problem": "it is not renewed"}, {"entry_window": False}, {"warnings": frozenset({SYMBOL})},
        {"trading_state": TradingState.PAUSE_ENTRY}, {"trading_state": TradingState.REDUCE_ONLY},
        {"halts": halted(Venue.KRX, HaltKind.TRADING_HALT)},
        {"reference": reference().model_copy(
            update={"symbols": tuple(e.model_copy(update={"enabled": False}) for e in reference().symbols)}
        )},
    ],
)  # fmt: skip
def test_what_stops_entries_alone_lets_exits_pass(wrong: dict[str, Any]) -> None:
    view = replace(GOOD, **wrong)
    assert exit_reason(view) is None
    assert reason(view) is not None


@pytest.mark.parametrize("state", [TradingState.DISARMED, TradingState.HALTED])
def test_only_a_persons_flatten_sells_while_disarmed_or_halted(state: TradingState) -> None:
    view = replace(GOOD, trading_state=state, halted=state is TradingState.HALTED)
    assert exit_reason(view) is not None
    assert exit_reason(view, purpose=Purpose.FLATTEN) is not None
    ordered = replace(view, flatten=frozenset({SYMBOL}))
    assert exit_reason(ordered, purpose=Purpose.FLATTEN) is None
    assert exit_reason(ordered) is not None
    assert exit_reason(replace(ordered, flatten=frozenset({""})), purpose=Purpose.FLATTEN) is None
    assert exit_reason(replace(ordered, halt_file=True), purpose=Purpose.FLATTEN) is GateReason.HALT_FILE


def test_a_halt_that_risk_has_not_confirmed_yet_stops_what_no_person_ordered() -> None:
    """The request is read before risk's own word: until then the trading state stops nothing."""
    asked = replace(GOOD, halted=True, flatten=frozenset({SYMBOL}))
    assert exit_reason(asked) is GateReason.HALTED
    assert exit_reason(replace(asked, flatten=frozenset()), purpose=Purpose.FLATTEN) is GateReason.HALTED
    assert exit_reason(asked, purpose=Purpose.FLATTEN) is None


def test_in_a_vi_a_sell_may_rest_in_the_auction_and_nothing_else() -> None:
    view = replace(GOOD, halts=halted(Venue.NXT, HaltKind.VOLATILITY_INTERRUPTION))
    assert exit_reason(view, kind=OrderKind.LIMIT) is None
    assert exit_reason(view) is GateReason.SYMBOL_HALTED


def test_a_flatten_may_go_further_through_the_book_than_an_exit() -> None:
    assert exit_reason(GOOD, price_krw=198_000) is GateReason.COLLAR
    assert exit_reason(GOOD, price_krw=198_000, purpose=Purpose.FLATTEN) is None


def test_a_share_that_rose_is_still_sold() -> None:
    dear = reference().model_copy(
        update={"limits": reference().limits.model_copy(update={"max_order_krw": 2_000_000})}
    )
    assert exit_reason(replace(GOOD, reference=dear), qty_shares=10, price_krw=200_000) is None


@given(
    st.lists(st.tuples(st.integers(0, 10), st.booleans()), max_size=6), st.integers(0, 30), st.integers(1, 60)
)
def test_what_passes_never_sells_more_than_was_bought(
    sells: list[tuple[int, bool]], bought_shares: int, asked: int
) -> None:
    orders = bought(10).with_record(
        record("9", Side.BUY, venue=Venue.NXT, stage=Stage.CLOSED, cum_qty_shares=bought_shares, closed=True)
    )
    exposed = 0
    for number, (filled, open_) in enumerate(sells):
        stage = Stage.UNKNOWN if open_ else Stage.CLOSED
        orders = orders.with_record(
            record(
                f"s{number}", Side.SELL, stage=stage, venue=Venue.KRX, cum_qty_shares=filled, closed=not open_
            )
        )
        exposed += 10 if open_ else filled
    if exit_reason(replace(GOOD, orders=orders), qty_shares=asked) is None:
        assert exposed + asked <= 10 + bought_shares


# -- funds -----------------------------------------------------------------------------------------


def fund_view(**changes: Any) -> GateView:
    """The good view with the symbol listed as a fund, on the fund's ticks."""
    in_force = reference()
    ticks = TickGrid(bands=((0, 1), (2_000, 5)))
    update = {"market": Market.ETF, "krx_ticks": ticks, "nxt_ticks": ticks}
    symbols = tuple(entry.model_copy(update={"market": Market.ETF}) for entry in in_force.symbols)
    costs = {**in_force.costs, Market.ETF: in_force.costs[Market.KOSPI].model_copy(update=update)}
    return replace(
        GOOD, reference=in_force.model_copy(update={"symbols": symbols, "costs": costs}), **changes
    )


def test_a_fund_is_ordered_on_its_own_ticks() -> None:
    assert reason(fund_view(), price_krw=199_505, reference_price_krw=199_500) is None
    assert reason(GOOD, price_krw=199_505, reference_price_krw=199_500) is GateReason.COLLAR
    assert reason(fund_view(), price_krw=199_502, reference_price_krw=199_500) is GateReason.COLLAR


def test_a_fund_without_costs_has_no_ticks_and_no_order() -> None:
    view = fund_view()
    assert view.reference is not None
    bare = {market: costs for market, costs in view.reference.costs.items() if not market.is_fund}
    closed = replace(view, reference=view.reference.model_copy(update={"costs": bare}))
    assert reason(closed) is GateReason.COLLAR


def test_krx_takes_no_fund_in_its_after_market() -> None:
    phases = {Venue.KRX: SessionPhase.AFTER_MARKET, Venue.NXT: SessionPhase.AFTER_MARKET}
    denial = check(fund_view(phases=phases), order(NOW, kind=OrderKind.LIMIT))
    assert denial == (GateReason.ORDER_KIND, "market=ETF does not trade on KRX in after_market")
