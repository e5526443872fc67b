"""What a pair holds is neither lost over night nor sold twice: open sells, claims, other accounts."""

from dataclasses import replace
from typing import Any

import pytest

from services.contracts.messages.commands import CancelOrder
from services.contracts.messages.control import ReferencePublished, ResidualClaimed
from services.contracts.messages.orders import (
    CommandDenied,
    ForeignOrderSeen,
    OrderClosed,
    OrderResolved,
    OrderUnknown,
    ReconciliationCompleted,
)
from services.contracts.messages.venue_state import HaltKind
from services.contracts.terms import GatewayMode, OrderKind, Purpose, Symbol, TradingDate, Venue
from services.gateway.core import recovered
from services.gateway.effects import Effect, Note, ReadLogin, Send
from services.gateway.facts import LoggedIn
from services.gateway.order_table import NOT_COUNTED
from services.gateway.settings import GatewaySettings
from services.gateway.state import GatewayState, initial_state
from services.market.dates import midnight_wall_ns
from services.market.files import load_market
from services.market.market_clock import REAL_TIME
from services.runtime.parts import changed_parts, restore
from services.runtime.settings import config_dir

from .desk import DATE, SYMBOL, Desk, S, at, chejan, exit_order, fresh, log_in, order, ready, reference
from .test_order_truth import row

TOMORROW = TradingDate("2026-11-24")


def log_of(desk: Desk) -> list[Any]:
    return [
        e.intention if isinstance(e, Send) else e.line for e in desk.effects if isinstance(e, Send | Note)
    ]


def stored(state: GatewayState) -> GatewayState:
    return restore(fresh().state, changed_parts(None, state))


def tomorrow(desk: Desk, log: Any, held: int, *, redis: bool = True, date: str = TOMORROW) -> Desk:
    before = stored(desk.state) if redis else fresh().state
    day = TradingDate(date)
    again = Desk(recovered(before, [], day, log), midnight_wall_ns(day) + 10 * 3600 * S)
    again.broker.holdings = {SYMBOL: held} if held else {}
    again = ready(again)
    again.run(5)
    return again


def flatten(desk: Desk, shares: int, order_id: str = "P1.0.s.9") -> str:
    """Ask for a sale by hand; return why not."""
    desk.flatten()
    desk.lease()
    sends = len(desk.sends)
    desk.hear(
        exit_order(
            desk.now_ns, order_id=order_id, purpose=Purpose.FLATTEN, venue=Venue.KRX, qty_shares=shares
        ),
        order_id,
    )
    return "" if len(desk.sends) > sends else desk.told(CommandDenied)[-1].detail


def bought(desk: Desk, pair_id: str = "P1", number: str = "0000001", symbol: str = SYMBOL) -> None:
    desk.lease()
    buy = order(desk.now_ns, order_id=f"{pair_id}.1.b.1", pair_id=pair_id, symbol=Symbol(symbol))
    desk.hear(buy, pair_id)
    send = desk.sends[-1]
    desk.answer(send, number)
    desk.frame(**chejan(send, number, "체결", remaining=0, cum=10, amount=1_995_000))
    desk.broker.rows = [*desk.broker.rows, row(send, number, cum=10, amount=1_995_000, remaining=0)]


def in_the_auction(theirs: int = 0) -> Desk:
    """Ten bought, a sell of ten rests for the closing auction, and the machine goes down."""
    desk = fresh(now_ns=at(15, 10))
    desk.broker.holdings = {SYMBOL: theirs}
    desk = ready(desk)
    bought(desk)
    desk.now_ns = at(15, 21)
    desk.tick()
    desk.lease()
    sell = exit_order(
        desk.now_ns, venue=Venue.KRX, kind=OrderKind.LIMIT, purpose=Purpose.FLATTEN, price_krw=199_300
    )
    desk.hear(sell, "auction")
    send = desk.sends[-1]
    desk.answer(send, "0000002")
    desk.frame(**chejan(send, "0000002", "접수", remaining=10))
    return desk


class TestUnderASell:
    @pytest.mark.parametrize("redis", [True, False], ids=["stored", "known to the log alone"])
    @pytest.mark.parametrize("theirs", [0, 5])
    def test_what_the_account_still_has_is_for_sale_again(self, redis: bool, theirs: int) -> None:
        desk = in_the_auction(theirs)
        again = tomorrow(desk, log_of(desk), 10 + theirs, redis=redis)
        assert dict(again.state.carried) == {"P1": 10}
        assert flatten(again, 11) == "qty_shares=11 free=10"
        assert flatten(again, 10, "P1.0.s.10") == ""
        assert [m.facts.order_id for m in again.told(OrderClosed)] == ["P1.1.s.1"]
        assert not [m for m in again.told(ReconciliationCompleted) if m.differences]

    @pytest.mark.parametrize(("held", "theirs", "left"), [(4, 0, 4), (9, 5, 4), (5, 5, 0), (0, 0, 0)])
    def test_what_it_has_no_more_was_sold(self, held: int, theirs: int, left: int) -> None:
        desk = in_the_auction(theirs)
        again = tomorrow(desk, log_of(desk), held)
        assert again.state.carried.get("P1", 0) == left
        assert flatten(again, left + 1) == f"qty_shares={left + 1} free={left}"
        assert not again.told(OrderClosed), "how much of it filled for how much is a person's to find out"

    def test_a_gateway_that_lives_through_the_night_finds_it_too(self) -> None:
        desk = in_the_auction()
        desk.broker.holdings, desk.broker.rows = {SYMBOL: 10}, []
        desk.now_ns = midnight_wall_ns(TOMORROW) + 10 * 3600 * S
        desk.run(130)
        assert flatten(desk, 10) == ""

    def test_it_is_known_to_the_log_of_the_new_date(self) -> None:
        desk = in_the_auction()
        again = tomorrow(desk, log_of(desk), 10)
        third = recovered(fresh().state, log_of(again), TOMORROW, log_of(desk))
        assert dict(third.carried) == {"P1": 10}
        assert third.over_night.doubtful == {}
        assert third.orders.symbol_of("P1") == SYMBOL


def test_what_is_carried_keeps_its_feed_though_its_symbol_is_switched_off() -> None:
    desk = ready(fresh())
    bought(desk)
    off = reference()
    symbols = tuple(e.model_copy(update={"enabled": e.krx_code != SYMBOL}) for e in off.symbols)
    off = off.model_copy(update={"symbols": symbols})
    desk.hear(ReferencePublished(reference=off, reference_hash=off.hash, by="t", reason="t"), "off")
    for redis in (True, False):
        again = Desk(
            recovered(stored(desk.state) if redis else fresh().state, [], TOMORROW, log_of(desk)),
            midnight_wall_ns(TOMORROW) + 10 * 3600 * S,
        )
        again.broker.holdings = {SYMBOL: 10}
        again = ready(again)
        again.hear(ReferencePublished(reference=off, reference_hash=off.hash, by="t", reason="t"), "off")
        again.run(1)
        codes = {code for item in again.state.registered for code in item.codes}
        assert {SYMBOL, f"{SYMBOL}_NX"} <= codes
        assert "000660" in codes


class TestClaimed:
    def claim(self, desk: Desk, pair_id: str = "P1", shares: int = 10) -> None:
        word = ResidualClaimed(pair_id=pair_id, qty_shares=shares, amount_krw=1_990_000, by="kim", reason="t")
        desk.hear(word, f"claim-{pair_id}")

    @pytest.mark.parametrize("redis", [True, False], ids=["stored", "known to the log alone"])
    def test_what_a_person_sold_is_not_for_sale_owes_no_exit_and_is_not_carried(self, redis: bool) -> None:
        desk = ready(fresh())
        bought(desk)
        self.claim(desk)
        assert not desk.state.orders.pairs_owing_an_exit()
        assert flatten(desk, 1) == "qty_shares=1 free=0"
        same_day = recovered(stored(desk.state) if redis else fresh().state, log_of(desk), DATE)
        assert same_day.orders.sellable_shares("P1") == 0
        assert dict(tomorrow(desk, log_of(desk), 0, redis=redis).state.carried) == {}

    def test_a_claim_that_the_executor_refuses_changes_nothing(self) -> None:
        desk = ready(fresh())
        bought(desk)
        self.claim(desk, shares=9)
        self.claim(desk, "P9")
        assert desk.state.orders.sellable_shares("P1") == 10
        assert flatten(desk, 4) == ""
        self.claim(desk, shares=6)
        assert desk.state.claimed == frozenset(), "an order of it works"

    def test_four_claims_free_the_order_budget(self) -> None:
        desk = ready(fresh())
        symbols = [entry.krx_code for entry in reference().symbols]
        for number, symbol in enumerate(symbols, 1):
            bought(desk, f"P{number}", f"{number:07d}", symbol)
            self.claim(desk, f"P{number}")
            desk.run(2)
        sent = len(desk.sends)
        for number, symbol in enumerate(symbols[:2], 1):
            again = order(desk.now_ns, order_id=f"Q{number}.1.b.1", pair_id=f"Q{number}", symbol=symbol)
            desk.hear(again, f"q{number}")
        assert len(desk.sends) == sent + 2


LIVE = "5012345611"


class OfAnotherAccount(Desk):
    def _do(self, effect: Effect) -> None:
        if isinstance(effect, ReadLogin):
            self.feed(LoggedIn((LIVE,), "0"))
        else:
            super()._do(effect)


class TestAnotherAccount:
    """The mock server traded in the morning, in the same folder and the same Redis."""

    def morning(self) -> Desk:
        desk = fresh()
        desk.broker.holdings = {"000660": 40}
        desk = ready(desk)
        desk.hear(order(desk.now_ns), "o")
        send = desk.sends[-1]
        desk.answer(send, "0000101")
        desk.frame(**chejan(send, "0000101", "체결", remaining=6, cum=4, amount=4 * 199_500))
        return desk

    def afternoon(self, desk: Desk, *, named: bool, redis: bool) -> Desk:
        """The live gateway; its owner bought ten by hand, under a number of the morning."""
        account = LIVE if named else ""
        settings = GatewaySettings(mode=GatewayMode.LIVE, account=account, live_account=LIVE)
        first = initial_state(settings, load_market(config_dir()), REAL_TIME)
        if redis:
            first = restore(first, changed_parts(None, desk.state))
        live = OfAnotherAccount(recovered(first, log_of(desk), DATE), desk.now_ns + 3 * 3600 * S)
        live.broker.rows = [
            row(desk.sends[0], "0000101", cum=10, amount=1_995_000, remaining=0, 시간="093000")
        ]
        live.broker.holdings = {SYMBOL: 10}
        live = ready(live)  # type: ignore[assignment]
        live.run(5)
        return live

    @pytest.mark.parametrize("redis", [True, False], ids=["stored", "known to the log alone"])
    @pytest.mark.parametrize("named", [True, False], ids=["named by the settings", "known by the login"])
    def test_nothing_of_it_is_merged(self, named: bool, redis: bool) -> None:
        desk = self.morning()
        live = self.afternoon(desk, named=named, redis=redis)
        assert live.state.orders.sellable_shares("P1") == 0
        assert [m.broker_order_no for m in live.told(ForeignOrderSeen)] == ["0000101"]
        assert not [m for m in live.told(ReconciliationCompleted) if m.differences]
        assert live.state.baseline == {}

    def test_its_orders_are_answered_for_and_never_sent_again(self) -> None:
        live = self.afternoon(self.morning(), named=False, redis=True)
        assert [m.facts.order_id for m in live.told(OrderUnknown)][-1] == "P1.1.b.1"
        live.hear(order(live.now_ns), "o")
        assert not live.sends

    def test_back_in_its_own_account_all_is_known_again(self) -> None:
        desk = self.morning()
        live = self.afternoon(desk, named=False, redis=True)
        back = Desk(
            recovered(stored(live.state), [*log_of(desk), *log_of(live)], DATE), live.now_ns, desk.broker
        )
        log_in(back)
        assert back.state.orders.working["P1.1.b.1"].facts.broker_order_no == "0000101"
        assert back.state.baseline == {"000660": 40}


class TestAmbiguous:
    def desk(self, *, cum: str, remaining: str) -> Desk:
        """An order that two of the broker's could be, and a cancel of it that waits."""
        desk = ready(fresh())
        desk.send_code = -307
        desk.hear(order(desk.now_ns), "buy")
        desk.send_code = 0
        amount = str(199_500 * int(cum or 0))
        desk.broker.rows = [
            row(desk.sends[0], number, cum=0, amount=0, remaining=0)
            | {"체결량": cum, "체결누계금액": amount, "미체결수량": remaining, "시간": "100003"}
            for number in ("0000201", "0000202")
        ]
        desk.run(5)
        cancel = CancelOrder(order_id="c", target_order_id="P1.1.b.1", pair_id="P1", reason="t")
        desk.hear(cancel, "c")
        return desk

    def found(self, desk: Desk) -> list[str]:
        return [m.resolution.value for m in desk.told(OrderResolved)]

    def test_it_ends_by_itself_when_all_that_look_like_it_are_over_and_none_filled(self) -> None:
        desk = self.desk(cum="", remaining="0")
        assert self.found(desk) == ["ambiguous"]
        desk.run(20)
        assert self.found(desk) == ["ambiguous", "never_arrived"]
        assert (desk.state.queue, desk.state.orders.working) == ((), {})

    @pytest.mark.parametrize(("cum", "remaining"), [("10", "0"), ("", "10")])
    def test_otherwise_a_person_ends_it_with_the_claim_of_its_pair(self, cum: str, remaining: str) -> None:
        desk = self.desk(cum=cum, remaining=remaining)
        desk.run(60)
        assert self.found(desk) == ["ambiguous"]
        desk.hear(ResidualClaimed(pair_id="P1", qty_shares=0, amount_krw=0, by="kim", reason="t"), "claim")
        desk.run(60)
        assert {m.facts.order_id for m in desk.told(OrderClosed)} == {"P1.1.b.1"}
        assert (desk.state.queue, desk.state.orders.working) == ((), {})
        assert not desk.state.orders.pairs_owing_an_exit()
        assert self.found(desk) == ["ambiguous"], "a look-alike does not bring it back"
        assert len({m.broker_order_no for m in desk.told(ForeignOrderSeen)}) == 2

    def test_while_it_lasts_the_control_is_asked_for_halts(self) -> None:
        desk = self.desk(cum="", remaining="10")
        desk.halted = frozenset({Symbol("000660")})
        desk.run(120)
        assert HaltKind.TRADING_HALT in desk.state.halts.halted(Symbol("000660"), Venue.KRX)


def test_what_is_over_costs_a_tick_nothing() -> None:
    """Counted once for each order, and as a count anew from all orders of the day gives."""
    desk = ready(fresh())
    for number in range(1, 4):
        bought(desk, f"P{number}", f"{number:07d}", reference().symbols[number - 1].krx_code)
        desk.run(2)
    desk.lease()
    desk.hear(exit_order(desk.now_ns, qty_shares=4), "sell")
    orders = desk.state.orders
    assert replace(orders, unsold=NOT_COUNTED).unsold == orders.unsold == {"P1": 6, "P2": 10, "P3": 10}
    assert orders.pairs_owing_an_exit() == {"P1", "P2", "P3"}
