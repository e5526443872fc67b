"""The market that the world makes: crosses on both sides of break-even, limits, and one world per seed."""

from random import Random
from typing import Any

import pytest

from services.contracts.terms import Side, Venue
from services.contracts.tick_grid import SHARE_TICKS as TICKS
from services.market.ticks import price_limits
from services.simulator.market.ladder import PriceLadder
from services.simulator.options import (
    FaultOptions,
    OptionsError,
    SimulatorOptions,
    WorldOptions,
    parse_options,
)

from .harness import ACCOUNT, LISTINGS, MS, Desk, options

BREAK_EVEN_BPS = 23
LIVELY = SimulatorOptions(world=WorldOptions(crosses_per_symbol_min=6.0))


def cross_bps(desk: Desk, code: str) -> int:
    touches = {venue: desk.world.feed.touch(code, venue) for venue in Venue}
    return max(
        (touches[venue].bid_krw - touches[venue.other].ask_krw) * 10_000 // touches[venue.other].ask_krw
        for venue in Venue
    )


def test_crosses_lie_below_and_above_break_even_and_last_as_long_as_asked() -> None:
    desk = Desk(LIVELY, login=False)
    spells: list[tuple[int, int]] = []
    since: dict[str, tuple[int, int]] = {}
    for _ in range(6_000):
        desk.run(20, step_ms=20)
        for code in ("005930", "000660", "247540"):
            bps = cross_bps(desk, code)
            if bps > 3 and code not in since:
                since[code] = (desk.now_ns, bps)
            elif bps <= 3 and code in since:
                start, size = since.pop(code)
                spells.append((size, (desk.now_ns - start) // MS))
    long = [(bps, ms) for bps, ms in spells if ms >= 250]
    assert len(long) > 15
    assert any(bps > BREAK_EVEN_BPS for bps, _ in long)
    assert any(bps < BREAK_EVEN_BPS for bps, _ in long)
    assert all(ms < 7_000 for _, ms in long)


def test_a_quiet_world_never_crosses() -> None:
    desk = Desk(login=False)
    for _ in range(200):
        desk.run(50, step_ms=50)
        assert all(cross_bps(desk, code) < 0 for code in ("005930", "000660", "247540"))


@pytest.mark.parametrize("rich", [True, False])
@pytest.mark.parametrize("venue", list(Venue))
def test_a_cross_on_demand_is_executable_on_both_sides_and_ends(venue: Venue, rich: bool) -> None:
    desk = Desk()
    args = {"code": "005930", "venue": venue.value, "bps": 40, "ms": 1_000, "shares": 25, "rich": rich}
    desk.world.inject(desk.now_ns, "cross", args)
    assert 40 <= cross_bps(desk, "005930") < 60
    book = desk.world.feed.book_frame("005930", venue)
    assert (book.bids if rich else book.asks)[0][1] == 25
    dear, cheap = (venue, venue.other) if rich else (venue.other, venue)
    buy, sell = (1, 22) if cheap is Venue.KRX else (21, 2)
    desk.traded(buy, "005930", 20, desk.world.feed.touch("005930", cheap).ask_krw, "10")
    desk.traded(sell, "005930", 20, desk.world.feed.touch("005930", dear).bid_krw, "10")
    truth = desk.truth
    assert truth["holdings"] == {}
    assert truth["cash_krw"] > truth["start_cash_krw"], "40 bps pay more than the costs"
    desk.run(1_500)
    assert cross_bps(desk, "005930") < 0


def test_books_show_ten_levels_on_the_tick_grid_within_the_limits() -> None:
    desk = Desk(LIVELY, login=False)
    for _ in range(100):
        desk.run(200, step_ms=200)
        for listing in LISTINGS:
            lower, upper = price_limits(listing.base_krw, TICKS)
            for venue in desk.world.exchange.instruments[listing.code].stalls:
                frame = desk.world.feed.book_frame(listing.code, venue)
                prices = [price for price, _ in frame.asks + frame.bids]
                assert len(frame.asks) >= 9
                assert len(frame.bids) >= 9
                assert all(lower <= price <= upper and TICKS.is_on(price) for price in prices)
                assert frame.bids[0][0] < frame.asks[0][0]


def test_a_ladder_holds_every_price_of_the_day_in_order() -> None:
    lower, upper = price_limits(199_400, TICKS)
    ladder = PriceLadder(199_400, lower, upper, TICKS.size)
    assert ladder.prices[0] == lower
    assert ladder.prices[-1] == upper
    assert all(TICKS.is_on(price) for price in ladder.prices)
    assert ladder.prices == sorted(set(ladder.prices))
    crossing = ladder.index_of(200_000)
    assert crossing is not None
    assert (ladder.prices[crossing - 1], ladder.prices[crossing + 1]) == (199_900, 200_500)
    assert ladder.index_of(199_950) is None
    with pytest.raises(ValueError, match="not within"):
        PriceLadder(100, 200, 300, TICKS.size)


FAULTY = FaultOptions(
    reject_rate=0.05,
    late_reject_rate=0.03,
    fade_rate=0.3,
    never_arrives_rate=0.03,
    send_fail_rate=0.03,
    lost_ack_rate=0.05,
    lost_chejan_rate=0.05,
    silent_close_rate=0.3,
    chejan_first_rate=0.2,
    duplicate_chejan_rate=0.2,
    stalls_per_hour=200.0,
    hand_orders_per_hour=600.0,
    freezes_per_hour=100.0,
)


def trade_at_random(seed: int, ms: int = 120_000) -> Desk:
    """A wild trader in a lively, faulty world: every kind of order, cancels and amendments."""
    world = WorldOptions(crosses_per_symbol_min=10.0, vi_per_symbol_hour=60.0, drift_rate=0.8)
    desk = Desk(SimulatorOptions(world=world, faults=FAULTY), seed=seed)
    rng = Random(seed)
    for _ in range(ms // 150):
        desk.run(150, step_ms=10)
        code = rng.choice(LISTINGS).code
        open_orders = [o for o in desk.world.broker.orders.values() if o.is_open and not o.request.by_hand]
        if open_orders and rng.random() < 0.4:
            order = rng.choice(open_orders)
            change = rng.choice((3, 5) if order.venue is Venue.KRX else (23, 25))
            change += 1 if order.venue is Venue.KRX and order.side is Side.SELL else 0
            touch = desk.world.feed.touch(order.code, order.venue)
            price = rng.choice((touch.ask_krw, touch.bid_krw))
            desk.order(change, order.code, rng.choice((0, 3)), price, original=order.number_text)
            continue
        touch = desk.world.feed.touch(code, rng.choice(list(Venue)))
        price, hoga = rng.choice((touch.ask_krw, touch.bid_krw)), rng.choice(("00", "10", "20", "03"))
        desk.order(rng.choice((1, 2, 21, 22)), code, rng.randint(1, 60), 0 if hoga == "03" else price, hoga)
    return desk


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_money_and_shares_agree_to_the_won(seed: int) -> None:
    truth = trade_at_random(seed).truth
    orders = truth["orders"]
    cash, held = truth["start_cash_krw"], dict(truth["start_holdings"])
    for order in orders:
        sign = 1 if order["side"] == "buy" else -1
        amount = sum(fill["qty_shares"] * fill["price_krw"] for fill in order["fills"])
        shares = sum(fill["qty_shares"] for fill in order["fills"])
        assert (amount, shares) == (order["amount_krw"], order["filled_shares"])
        assert order["filled_shares"] + order["remaining_shares"] <= order["qty_shares"]
        cash -= sign * amount + order["commission_krw"] + order["tax_krw"]
        held[order["code"]] = held.get(order["code"], 0) + sign * shares
        assert bool(order["closed"]) == (order["remaining_shares"] == 0)
        assert order["closed"] or order["hoga"] in ("00", "03"), "an IOC or FOK is never open"
    assert cash == truth["cash_krw"]
    assert {code: qty for code, qty in held.items() if qty} == truth["holdings"]
    assert all(qty >= 0 for qty in held.values())
    executions = [fill["execution_no"] for order in orders for fill in order["fills"]]
    assert len(set(executions)) == len(executions)
    assert len(executions) > 30
    assert truth["max_orders_per_s"] <= 5


def test_the_same_seed_makes_the_same_world_and_another_seed_another() -> None:
    first, again, other = (trade_at_random(seed, 20_000) for seed in (11, 11, 12))
    assert first.truth == again.truth
    assert first.sequence == again.sequence
    assert first.truth["orders"] != other.truth["orders"]


def test_the_world_does_not_depend_on_how_often_it_is_advanced() -> None:
    fine, coarse = Desk(LIVELY, login=False), Desk(LIVELY, login=False)
    fine.run(30_000, step_ms=3)
    coarse.run(30_000, step_ms=700)
    for venue in Venue:
        assert fine.world.feed.book_frame("005930", venue) == coarse.world.feed.book_frame("005930", venue)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"world": {"nonsense": 1}}, "options.world.nonsense"),
        ({"faults": {"reject_rate": 2.0}}, "options.faults.reject_rate"),
        ({"latency": {"order_ms": [9, 5, 1]}}, "options.latency.order_ms"),
        ({"faults": {"stall_ms": [9, 1]}}, "options.faults.stall_ms"),
        ({"account": {"cash_krw": "much"}}, "options.account.cash_krw"),
        ({"account": {"cash_krw": -1}}, "options.account.cash_krw"),
        ([], "expected an object"),
    ],
)
def test_wrong_options_are_named(data: Any, text: str) -> None:
    with pytest.raises(OptionsError, match=text.replace(".", r"\.")):
        parse_options(data)


def test_options_are_read_by_section() -> None:
    parsed = parse_options(
        {
            "world": {"cross_bps": [10, 20], "krx_only": ["005930"]},
            "faults": {"reject_rate": 1},
            "account": {"cash_krw": 5, "holdings": [["005930", 3, 1000]]},
            "broker": {"sustained_queries": [[5, 60]]},
        }
    )
    assert parsed.world.cross_bps == (10, 20)
    assert parsed.world.krx_only == ("005930",)
    assert parsed.faults.reject_rate == 1.0
    assert parsed.account.holdings == (("005930", 3, 1000),)
    assert parsed.broker.sustained_queries == ((5, 60),)
    assert parsed.account.number == ACCOUNT
    assert options().broker == SimulatorOptions().broker
