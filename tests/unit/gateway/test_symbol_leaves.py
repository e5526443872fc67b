"""A symbol map that does not name what is held: it is sold all the same, and its feed stays."""

from typing import Any

import pytest

from services.contracts.in_force import Reference
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.orders import CommandDenied
from services.contracts.reasons import GateReason
from services.contracts.terms import Market, Symbol, TradingState, Venue
from services.contracts.tick_grid import SHARE_TICKS
from services.gateway.core import recovered
from services.gateway.facts import Connected, LeaseSeen, Started
from services.gateway.intention_log import closed, intent, numbered

from .desk import ACCOUNT, DATE, SYMBOL, Desk, S, exit_order, fresh, order, ready, reference, restarted
from .test_day_and_feed import bought

OTHER = Symbol("000660")


def without(*symbols: str) -> Reference:
    kept = tuple(entry for entry in reference().symbols if entry.krx_code not in symbols)
    return reference().model_copy(update={"symbols": kept})


def published(desk: Desk, smaller: Reference) -> None:
    desk.hear(ReferencePublished(reference=smaller, reference_hash=smaller.hash, by="t", reason="t"), "less")


def codes(desk: Desk) -> set[str]:
    return {code for item in desk.state.registered for code in item.codes}


@pytest.fixture
def held() -> Desk:
    desk = ready(fresh())
    bought(desk)
    published(desk, without(SYMBOL))
    return desk


def test_what_was_bought_is_sold_and_its_feed_stays(held: Desk) -> None:
    held.run(1)
    assert {SYMBOL, f"{SYMBOL}_NX"} <= codes(held)
    held.hear(exit_order(held.now_ns, venue=Venue.KRX), "sell")
    assert held.sends[-1].order_id == "P1.1.s.1"


def test_nothing_more_of_it_is_bought_though_the_lease_fits(held: Desk) -> None:
    held.feed(LeaseSeen(held.now_ns + 2 * S, without(SYMBOL).hash, TradingState.ARMED, 1))
    held.hear(order(held.now_ns, order_id="P2.1.b.1", pair_id="P2"), "more")
    assert held.told(CommandDenied)[-1].reason is GateReason.SYMBOL_UNKNOWN
    entry = order(held.now_ns, order_id="P3.1.b.1", pair_id="P3", symbol=OTHER)
    held.hear(entry, "another")
    assert held.sends[-1].order_id == "P3.1.b.1", "the reference that risk names is in force here"


def test_a_restart_still_sells_it(held: Desk) -> None:
    again = ready_again(held)
    again.hear(exit_order(again.now_ns, order_id="P1.2.s.1", venue=Venue.KRX), "sell")
    assert again.sends[-1].order_id == "P1.2.s.1"
    assert again.state.reference_hash == without(SYMBOL).hash


def ready_again(desk: Desk) -> Desk:
    """The next process with the log of the one before."""
    record = desk.state.orders.done["P1.1.b.1"]
    lines: list[Any] = [
        intent(record, ACCOUNT), numbered(record.order_id, record.facts.broker_order_no), closed(record),
    ]  # fmt: skip
    stored = restarted(desk).state.but(orders=fresh().state.orders)
    again = Desk(recovered(stored, lines, DATE), desk.now_ns, desk.broker)
    again.feed(Started())
    again.feed(Connected(0))
    again.run(3)
    return again


def test_a_symbol_that_no_map_ever_named_is_sold_on_the_ticks_of_a_share() -> None:
    desk = ready(fresh())
    bought(desk)
    desk.state = desk.state.but(reference=without(SYMBOL), registered=())
    desk.run(1)
    in_force = desk.state.reference
    assert in_force is not None
    entry = in_force.listed(SYMBOL)
    assert entry is not None and not entry.enabled and entry.group in {"g1", "g2"}
    assert in_force.ticks_of(SYMBOL, Venue.KRX) == SHARE_TICKS
    assert {SYMBOL, f"{SYMBOL}_NX"} <= codes(desk)
    desk.hear(exit_order(desk.now_ns, venue=Venue.KRX), "sell")
    assert desk.sends[-1].order_id == "P1.1.s.1"


def test_it_leaves_with_the_next_map_once_it_is_sold() -> None:
    desk = ready(fresh())
    published(desk, without(SYMBOL, OTHER))
    assert {SYMBOL, OTHER}.isdisjoint(codes(desk))
    assert desk.state.reference == without(SYMBOL, OTHER)


def test_a_fund_keeps_its_own_ticks_and_what_is_no_code_is_left_out() -> None:
    whole = reference()
    fund = whole.symbols[0].model_copy(update={"market": Market.ETF})
    before = whole.model_copy(update={"symbols": (fund, *whole.symbols[1:])})
    costs = {market: value for market, value in whole.costs.items() if not market.is_fund}
    after = without(SYMBOL).model_copy(update={"costs": costs})
    kept = after.keeping(before, [SYMBOL, Symbol("ZZ")])
    assert [entry.krx_code for entry in kept.symbols if not entry.enabled] == [SYMBOL]
    assert kept.exit_costs_of(SYMBOL) == whole.costs[Market.ETF]
    assert after.keeping(before, [OTHER]) is after
