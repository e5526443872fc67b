"""How long things are on their way: the bounds, the middle, and that nobody's draws change another's."""

from dataclasses import replace
from typing import Any

import pytest

from services.contracts.terms import Venue
from services.simulator.crossings import Crossings
from services.simulator.latency import ASSUMED, MS, SECOND_NS, Load, Way, longest_ms
from services.simulator.options import SimulatorOptions, WorldOptions

from .harness import PROMPT, Desk, options

CODE, NXT_CODE = "005930", "005930_NX"
ASK, BID = 199_500, 199_400
LIVELY = WorldOptions(book_updates_per_s=8.0, crosses_per_symbol_min=30.0)


def test_draws_stay_in_their_bounds_around_the_median() -> None:
    way = Way((80, 150, 400), 1, "order")
    draws = sorted(way.ns() for _ in range(5_000))
    assert (draws[0], draws[-1]) == (80 * MS, 400 * MS)
    assert 145 * MS < draws[2_500] < 155 * MS
    assert {Way((7, 7, 7), seed, "order").ns() for seed in range(20)} == {7 * MS}


def test_a_venue_that_trades_more_is_later() -> None:
    calm, busy = Way((80, 150, 400), 1, "feed"), Way((80, 150, 400), 1, "feed")
    pairs = [(calm.ns(), busy.ns(load=3.0)) for _ in range(200)]
    assert all(slow >= quick for quick, slow in pairs)
    load = Load(symbols=2)
    for second in (0, 0, 0, 0):
        load.add(second)
    assert load.at(0) == 2.0
    assert load.at(SECOND_NS) < 1.0


def test_a_round_trip_is_longer_than_one_way_and_shorter_than_the_sum_of_the_longest() -> None:
    assert 400 < longest_ms(ASSUMED.order_ms, ASSUMED.report_ms) < 800


def test_a_book_that_our_fill_changed_takes_as_long_as_any_other() -> None:
    desk = Desk(options(latency=replace(PROMPT, feed_ms=(300, 300, 300), line_ms=(200, 200, 200))))
    desk.call("SetRealReg", "1000", CODE, "41", "0")
    desk.order(1, CODE, 1, ASK)
    desk.run(480)
    assert desk.sequence == ["answer", "접수", "체결", "잔고"]
    assert [fids[61] for _, _, fids in desk.reals] == []
    desk.run(100)
    assert desk.reals


def frames_of(desk: Desk, orders: bool) -> dict[str, list[tuple[int, dict[int, str]]]]:
    """What leaves each venue in 20 s, with the moment, by code; some orders that never trade go in."""
    left: dict[str, list[tuple[int, Any]]] = {}
    for venue, code in ((venue, code) for venue in Venue for code in (CODE, "000660")):
        channel, name = desk.world.feed._channel(code, venue), f"{code}/{venue}"
        before = channel._frames

        def leave(before: Any = before, name: str = name) -> Any:
            frames = before()
            left.setdefault(name, []).append((desk.world.agenda.now_ns, frames))
            return frames

        channel._frames = leave
    desk.call("SetRealReg", "1000", f"{CODE};{NXT_CODE};000660;000660_NX", "41;10;27", "0")
    for _ in range(100):
        if orders:
            desk.order(1, CODE, 1, 180_000, "10")
        desk.run(200, step_ms=25)
    return left


def test_orders_that_change_no_book_change_no_frame() -> None:
    def desk() -> Desk:
        return Desk(SimulatorOptions(world=LIVELY, latency=ASSUMED), seed=3)

    with_orders, without = desk(), desk()
    assert frames_of(with_orders, True) == frames_of(without, False)
    assert len(with_orders.truth["orders"]) > 50
    heard = [list(each.reals) for each in (with_orders, without)]
    assert len(heard[0]) > 100
    short = min(map(len, heard)) - 10
    assert heard[0][:short] == heard[1][:short], "and each is heard in the same place"


def test_a_code_sends_no_more_frames_a_second_than_it_may() -> None:
    world = WorldOptions(book_updates_per_s=20.0, trade_rate=1.0)
    desk = Desk(SimulatorOptions(world=world, latency=replace(PROMPT, frames_per_s=3.6)))
    desk.call("SetRealReg", "1000", f"{CODE};{NXT_CODE}", "41;10;27", "0")
    desk.run(10_000)
    books = [code for code, kind, _ in desk.reals if kind == "주식호가잔량"]
    assert 33 <= books.count(CODE) <= 37
    newest = desk.world.feed.book_frame(CODE, Venue.KRX)
    desk.world.feed.on_book(Venue.KRX, CODE)
    desk.run(300)
    shown = [fids for code, kind, fids in desk.reals if (code, kind) == (CODE, "주식호가잔량")]
    assert newest is not None and shown


def test_a_cross_that_never_was_is_a_phantom() -> None:
    crossings = Crossings()
    crossings.moved("A", Venue.KRX, (100, 101), 0)
    crossings.moved("A", Venue.NXT, (100, 101), 0)
    crossings.arrived("A", Venue.KRX, (100, 101), 0, 0)
    crossings.arrived("A", Venue.NXT, (100, 101), 0, 0)
    crossings.moved("A", Venue.KRX, (98, 99), 10)
    crossings.moved("A", Venue.NXT, (98, 99), 10)
    assert (crossings.seen, crossings.phantoms) == (0, 0)
    crossings.arrived("A", Venue.KRX, (98, 99), 10, 10)
    assert (crossings.seen, crossings.phantoms) == (1, 1), "both moved at once, one was heard first"
    crossings.arrived("A", Venue.NXT, (98, 99), 10, 10)
    crossings.moved("A", Venue.KRX, (102, 103), 20)
    crossings.moved("A", Venue.NXT, (102, 103), 30)
    crossings.arrived("A", Venue.KRX, (102, 103), 20, 20)
    assert (crossings.seen, crossings.phantoms) == (2, 1), "for 10 ns it was there"


def test_phantoms_come_with_long_ways_only() -> None:
    world = WorldOptions(crosses_per_symbol_min=0.0, drift_rate=1.0, lag_rate=0.0, wide_rate=0.0)

    def phantoms(latency: Any) -> int:
        desk = Desk(SimulatorOptions(world=world, latency=latency), seed=4)
        desk.call("SetRealReg", "1000", f"{CODE};{NXT_CODE}", "41", "0")
        desk.run(60_000, step_ms=50)
        return desk.world.feed.crossings.phantoms

    assert phantoms(replace(PROMPT, feed_ms=(0, 0, 0))) == 0
    assert phantoms(replace(ASSUMED, feed_ms=(80, 400, 2_000))) > 0


@pytest.mark.parametrize("delay", [(0, 0, 0), (0, 5, 10), (5, 5, 5)])
def test_short_delays_are_no_less_than_nothing(delay: tuple[int, int, int]) -> None:
    way = Way(delay, 1, "line")
    assert all(delay[0] <= way.ns() / MS <= delay[2] for _ in range(500))
