"""The market of the presets: shares go once, crosses have a cause, and nobody knows which order is ours."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from services.contracts.terms import SessionPhase, Side, Venue
from services.simulator.agenda import Agenda
from services.simulator.day import TradingDay
from services.simulator.market.auction import uncross
from services.simulator.market.book import Execution, Incoming, VenueBook
from services.simulator.market.causes import Cause, Visit, reactions
from services.simulator.market.exchange import Exchange
from services.simulator.market.presets import MARKET_PRESETS, TABLE, preset
from services.simulator.options import WorldOptions

from .harness import HYNIX, LISTINGS, MS, SAMSUNG, START_NS, continuous, phases

CODE = SAMSUNG.code
STILL = WorldOptions(
    preset="fair", crosses_per_symbol_min=0.0, moves_per_s=0.0, wide_rate=0.0, trade_rate=0.0
)
Frame = tuple[int, str, Venue, str, Any]


@dataclass
class Market:
    """An exchange alone. `frames` are the books and trades that it told of, in order."""

    options: WorldOptions = STILL
    seed: int = 1
    schedule: Any = field(default_factory=continuous)
    frames: list[Frame] = field(default_factory=list)
    fills: list[tuple[int, int, int]] = field(default_factory=list)
    interruptions: list[tuple[str, Venue, bool]] = field(default_factory=list)
    on_frame: Callable[[Frame], None] = lambda frame: None

    def __post_init__(self) -> None:
        self.agenda = Agenda(START_NS)
        day = TradingDay(self.schedule, lambda now_ns: now_ns - START_NS)
        self.exchange = Exchange(LISTINGS, self.options, day, self.agenda, self.seed)
        self.exchange.start(self)

    def run(self, ms: int) -> None:
        self.agenda.run_until(self.agenda.now_ns + ms * MS)

    def book(self, venue: Venue, code: str = CODE) -> VenueBook:
        return self.exchange.instruments[code].stalls[venue].book

    def take(
        self, venue: Venue, side: Side, limit: int, qty_shares: int, number: int = 1, code: str = CODE
    ) -> int:
        """Send an IOC; returns the shares that it got."""
        return qty_shares - self.exchange.enter(
            code, venue, Incoming(number, side, limit, qty_shares, rests=False)
        )

    def cross_ticks(self, code: str = CODE) -> int:
        """How far a bid of one venue stands above the ask of the other, in ticks; negative: it does not."""
        found = [-99]
        for venue in Venue:
            bid, ask = self.book(venue, code).best(Side.BUY), self.book(venue.other, code).best(Side.SELL)
            if bid is not None and ask is not None:
                found.append(bid - ask)
        return max(found)

    # -- the listener --------------------------------------------------------------------

    def _frame(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.on_frame(frame)

    def on_execution(
        self, venue: Venue, code: str, order_no: int, price_krw: int, qty: int, ts_ns: int
    ) -> None:
        self.fills.append((order_no, price_krw, qty))

    def on_expired(self, order_no: int, ts_ns: int) -> None: ...

    def on_book(self, venue: Venue, code: str, ts_ns: int) -> None:
        book = self.book(venue, code)
        self._frame((ts_ns, "book", venue, code, (book.depth(Side.BUY, 10), book.depth(Side.SELL, 10))))

    def on_trade(self, venue: Venue, code: str, price_krw: int, signed_shares: int, ts_ns: int) -> None:
        self._frame((ts_ns, "trade", venue, code, (price_krw, signed_shares)))

    def on_phase(self, venue: Venue, announcement: str, ts_ns: int) -> None: ...

    def on_interruption(self, venue: Venue, code: str, vi: Any, active: bool, ts_ns: int) -> None:
        self.interruptions.append((code, venue, active))


# -- shares are used up -----------------------------------------------------------------------


def test_shares_of_a_cross_are_sold_to_once() -> None:
    market = Market()
    market.exchange.cross(CODE, Venue.NXT, 60, 4_000, 20, rich=True)
    rich = market.book(Venue.NXT).best(Side.BUY)
    assert rich is not None and market.cross_ticks() > 0
    sold = 0
    for _ in range(8):
        sold += market.take(Venue.NXT, Side.SELL, rich, 20)
        market.run(480)
    assert sold == 20


def test_taken_level_stays_empty_until_makers_come() -> None:
    market = Market()
    best = market.book(Venue.KRX).best(Side.SELL)
    assert best is not None
    market.take(Venue.KRX, Side.BUY, best, 10**6)
    told = [frame for frame in market.frames if frame[1] == "book" and frame[2] is Venue.KRX]
    assert told[-1][4][1][0][0] == best + 1
    market.run(1_000)
    assert market.book(Venue.KRX).best(Side.SELL) == best


def test_liquidity_that_fades_is_shown() -> None:
    market = Market()
    best = market.book(Venue.NXT).best(Side.BUY)
    assert best is not None
    before = market.book(Venue.NXT).depth(Side.BUY, 1)
    market.exchange.fade(CODE, Venue.NXT, Side.SELL, best)
    (frame,) = market.frames
    assert frame[1:3] == ("book", Venue.NXT) and frame[4][0][:1] != before


@pytest.mark.parametrize("name", MARKET_PRESETS)
def test_every_change_of_a_book_is_a_frame(name: str) -> None:
    options = WorldOptions(preset=name, crosses_per_symbol_min=20.0, gaps_per_symbol_hour=60.0, levels=4)
    market = Market(options)
    seen: dict[tuple[Venue, str], Any] = {}

    def note(frame: Frame) -> None:
        if frame[1] == "book":
            seen[frame[2], frame[3]] = frame[4]

    market.on_frame = note
    for _ in range(200):
        market.run(50)
        for (venue, code), shown in seen.items():
            book = market.book(venue, code)
            assert shown == (book.depth(Side.BUY, 10), book.depth(Side.SELL, 10))


# -- crosses have a cause -------------------------------------------------------------------


def spells(options: WorldOptions, seconds: int, seed: int = 1) -> list[int]:
    """How long each cross of one symbol stood, in ms."""
    market, since, found = Market(options, seed), [0], list[int]()

    def note(frame: Frame) -> None:
        crossed = market.cross_ticks() > 0
        if crossed and not since[0]:
            since[0] = frame[0]
        elif not crossed and since[0]:
            found.append((frame[0] - since[0]) // MS)
            since[0] = 0

    market.on_frame = note
    market.run(seconds * 1_000)
    return found


def test_contested_crosses_are_gone_within_150_ms_and_others_stand_for_seconds() -> None:
    shares = {}
    for name in MARKET_PRESETS:
        stood = spells(WorldOptions(preset=name, crosses_per_symbol_min=30.0, moves_per_s=0.0), 150)
        assert len(stood) > 25
        shares[name] = sum(ms <= 150 for ms in stood) / len(stood)
    assert shares["gentle"] < 0.45 < shares["fair"] < 0.8 < shares["harsh"]


@pytest.mark.parametrize("up", [True, False])
def test_venue_that_moves_first_leaves_quotes_that_professionals_take(up: bool) -> None:
    market = Market()
    last = market.book(Venue.NXT).best(Side.SELL if up else Side.BUY)
    market.exchange.move(CODE, Venue.KRX, 40, up=up)
    assert market.cross_ticks() > 0
    stale = market.book(Venue.NXT).best(Side.SELL if up else Side.BUY)
    assert stale == last
    market.run(59)
    assert market.cross_ticks() > 0
    market.run(41)
    assert market.cross_ticks() <= 0
    trades = [frame for frame in market.frames if frame[1] == "trade" and frame[2] is Venue.NXT]
    assert [frame[4][1] > 0 for frame in trades] == [up], "taken before the makers came"


def test_professional_finds_nothing_where_we_were_first() -> None:
    market = Market()
    market.exchange.move(CODE, Venue.KRX, 40, up=True)
    there = market.book(Venue.KRX).best(Side.BUY)
    assert there is not None
    assert market.take(Venue.NXT, Side.BUY, there, 10**6) > 0
    printed = len(market.frames)
    market.run(70)
    trades = [frame for frame in market.frames[printed:] if frame[1] == "trade" and frame[2] is Venue.NXT]
    assert trades == []


def test_flow_comes_again_at_its_own_moments_and_not_because_it_was_taken() -> None:
    options = WorldOptions(preset="gentle", crosses_per_symbol_min=20.0, moves_per_s=0.0, trade_rate=0.0)
    got: dict[int, list[int]] = {}
    for greedy in (0, 1):
        market, rich, again = Market(options, seed=4), dict[Venue, int](), got.setdefault(greedy, [])
        for _ in range(1_600):
            market.run(50)
            for venue in Venue:
                bid, ask = market.book(venue).best(Side.BUY), market.book(venue.other).best(Side.SELL)
                if bid is None or ask is None or bid <= ask:
                    rich.pop(venue, None)
                    continue
                had, has = rich.get(venue, 0), market.book(venue).bids[bid]
                if has > had and had:
                    again.append(market.agenda.now_ns)
                if greedy:
                    market.take(venue, Side.SELL, bid, max(1, has - 1))
                    has = market.book(venue).bids.get(bid, 0)
                rich[venue] = has
    assert len(got[1]) > 3, "a bid that was sold to came again"


def pulled_of(name: str, count: int) -> int:
    """How many of `count` rich bids are taken away after a trade on the cheap venue."""
    market, rng, gone = Market(replace(STILL, preset=name)), Random(3), 0
    instrument, stall = market.exchange.instruments[CODE], market.exchange.instruments[CODE].stalls[Venue.NXT]
    for _ in range(count):
        race = reactions(rng, preset(name), answers=1)
        event = Visit(Cause.SMALL, Venue.NXT, True, 40, 20, 200 * MS, race, sizes=0.5)
        market.exchange.background.visit(instrument, event, market.agenda.now_ns)
        assert stall.visitor is not None
        rich, ask = stall.visitor.index, market.book(Venue.KRX).best(Side.SELL)
        assert ask is not None
        market.exchange.trade(instrument, Venue.KRX, Side.BUY, ask, 1, market.agenda.now_ns)
        market.run(160)
        gone += rich not in market.book(Venue.NXT).bids
        market.run(1_000)
    return gone


def test_rich_bid_is_pulled_after_any_trade_as_often_as_the_preset_says() -> None:
    gentle, harsh = pulled_of("gentle", 200), pulled_of("harsh", 200)
    assert 2 <= gentle <= 20
    assert 18 <= harsh <= 45


def test_moves_of_the_market_reach_several_symbols_within_a_moment() -> None:
    options = WorldOptions(preset="harsh", crosses_per_symbol_min=6.0, moves_per_s=0.0, trade_rate=0.0)
    market, last = Market(options), dict[str, int]()
    together = alone = 0
    for _ in range(600):
        market.run(500)
        fairs = {
            code: each.fair for code, each in market.exchange.instruments.items() if len(each.stalls) > 1
        }
        moved = {code: fairs[code] - last[code] for code in last if fairs[code] != last[code]}
        last = fairs
        together += len(moved) > 1 and len({change > 0 for change in moved.values()}) == 1
        alone += len(moved) == 1
    assert together > 5 and alone > 5


def test_table_has_a_reason_for_each_parameter_of_a_preset() -> None:
    assert [row.name for row in TABLE] == list(MARKET_PRESETS["fair"].__dataclass_fields__)
    assert all(row.why for row in TABLE)
    for name, mix in (("gentle", (0.2, 0.4, 0.4)), ("fair", (0.6, 0.25, 0.15)), ("harsh", (0.9, 0.1, 0.0))):
        found = preset(name)
        assert (found.contested_share, found.small_share, found.flow_share) == mix


# -- nobody knows which order is ours -----------------------------------------------------------

BUSY = WorldOptions(preset="fair", crosses_per_symbol_min=20.0, gaps_per_symbol_hour=30.0, levels=4)


def traded(seed: int, orders: bool, greedy: bool) -> tuple[Market, int]:
    """Some seconds of market, with or without our orders, and when one of ours first changed a book."""
    market, rng, first = Market(BUSY, seed), Random(seed), [0]
    for number in range(1, 200):
        market.run(100)
        code, venue, side = rng.choice((CODE, HYNIX.code)), rng.choice(list(Venue)), rng.choice(list(Side))
        best = market.book(venue, code).best(side.opposite)
        far = 6 if side is Side.SELL else -6
        limit = None if best is None else best + (0 if greedy else far)
        shares = rng.randint(1, 30)
        if number < 20 or not orders or limit is None or not market.exchange.matches(code, venue):
            continue
        if market.take(venue, side, limit, shares, number, code) and not first[0]:
            first[0] = market.agenda.now_ns
    return market, first[0]


@pytest.mark.parametrize("seed", range(4))
def test_same_seed_without_our_orders_gives_the_same_frames_up_to_our_first_change(seed: int) -> None:
    market, changed_ns = traded(seed, orders=True, greedy=True)
    alone, _ = traded(seed, orders=False, greedy=True)
    before = [frame for frame in market.frames if frame[0] < changed_ns]
    assert changed_ns and before and before == [frame for frame in alone.frames if frame[0] < changed_ns]
    fairs = [{code: each.fair for code, each in m.exchange.instruments.items()} for m in (market, alone)]
    assert market.frames != alone.frames
    if not market.interruptions and not alone.interruptions:
        assert fairs[0] == fairs[1], "prices go where they go"


@pytest.mark.parametrize("seed", range(2))
def test_orders_that_meet_nothing_change_no_frame(seed: int) -> None:
    market, changed_ns = traded(seed, orders=True, greedy=False)
    alone, _ = traded(seed, orders=False, greedy=False)
    assert not changed_ns and market.frames == alone.frames and len(alone.frames) > 200


# -- prices do what prices do ----------------------------------------------------------------


def test_gap_prints_beyond_the_bound_and_starts_a_vi_there() -> None:
    market = Market()
    market.exchange.move(CODE, Venue.KRX, 320, up=True)
    assert market.interruptions == [(CODE, Venue.KRX, True)]
    assert not market.exchange.matches(CODE, Venue.KRX) and market.exchange.matches(CODE, Venue.NXT)
    small = Market()
    small.exchange.move(CODE, Venue.KRX, 250, up=True)
    assert small.interruptions == []


def test_vi_comes_of_the_trade_of_a_gap_and_ends_in_one_print() -> None:
    options = WorldOptions(
        preset="fair", crosses_per_symbol_min=0.0, gaps_per_symbol_hour=600.0, gap_bps=(320, 500)
    )
    market = Market(options)
    market.run(180_000)
    began = [entry for entry in market.interruptions if entry[2]]
    ended = [entry for entry in market.interruptions if not entry[2]]
    assert began and ended and set(ended) <= {(code, venue, False) for code, venue, _ in began}


@pytest.mark.parametrize("up", [True, False])
def test_at_the_price_limit_a_side_is_empty(up: bool) -> None:
    market = Market()
    instrument = market.exchange.instruments[CODE]
    for _ in range(60):
        market.exchange.move(CODE, Venue.KRX, 120, up=up)
        market.run(2_000)
    assert instrument.fair == (instrument.ladder.top if up else -1)
    empty, full = (Side.SELL, Side.BUY) if up else (Side.BUY, Side.SELL)
    for venue in Venue:
        assert market.book(venue).best(empty) is None
        assert market.book(venue).best(full) == (instrument.ladder.top if up else 0)
    market.exchange.move(CODE, Venue.KRX, 120, up=not up)
    market.run(2_000)
    assert market.book(Venue.NXT).best(empty) is not None


def test_halt_over_the_close_prints_nothing_and_trades_go_on_where_it_ends() -> None:
    schedule = phases(
        [(10, SessionPhase.CONTINUOUS), (10, SessionPhase.CLOSING_AUCTION), (60, SessionPhase.CLOSED)],
        [(10, SessionPhase.CONTINUOUS), (10, SessionPhase.PAUSE), (60, SessionPhase.AFTER_MARKET)],
    )
    market = Market(WorldOptions(preset="fair"), schedule=schedule)
    market.run(8_000)
    market.exchange.halt(CODE, True)
    mark = len(market.frames)
    market.run(20_000)
    assert not [frame for frame in market.frames[mark:] if frame[3] == CODE]
    market.exchange.halt(CODE, False)
    mark = len(market.frames)
    market.run(20_000)
    late = [frame for frame in market.frames[mark:] if frame[3] == CODE]
    assert {frame[2] for frame in late} == {Venue.NXT}


# -- auctions ---------------------------------------------------------------------------------


def auction_book(bids: dict[int, int], asks: dict[int, int]) -> VenueBook:
    book = VenueBook()
    book.reshape(bids, asks, matching=False)
    return book


def test_auction_serves_those_before_us_first() -> None:
    book = auction_book({100: 300}, {100: 100_000, 101: 50})
    book.rest(1, Side.SELL, 100, 4_000)
    printed = uncross(book, 100, buy_shares=0, sell_shares=0)
    assert (printed.index, printed.qty_shares, printed.executions) == (100, 300, [])


def test_auction_prints_away_from_the_last_price_when_one_side_wants_more() -> None:
    book = auction_book({100: 300, 99: 300}, {101: 300, 102: 300, 103: 300})
    book.rest(1, Side.SELL, 102, 5)
    printed = uncross(book, 100, buy_shares=650, sell_shares=100)
    assert (printed.index, printed.qty_shares) == (102, 650)
    assert printed.executions == [], "300 stand before ours at 102, and 250 of them are wanted"
    again = auction_book({100: 300}, {101: 300, 102: 300})
    again.rest(1, Side.SELL, 101, 5)
    again.rest(2, Side.BUY, 103, 7)
    better = uncross(again, 100, buy_shares=400, sell_shares=0)
    assert better.index == 102
    assert better.executions == [Execution(102, 7, 2), Execution(102, 5, 1)]


def test_auction_without_anybody_prints_nothing() -> None:
    assert uncross(auction_book({}, {}), 100, 0, 0).qty_shares == 0


def test_opening_auction_moves_the_price_and_everybody_trades_at_it() -> None:
    schedule = phases(
        [(10, SessionPhase.OPENING_AUCTION), (60, SessionPhase.CONTINUOUS)], [(70, SessionPhase.CONTINUOUS)]
    )
    away = 0
    for seed in range(10):
        market = Market(STILL, seed, schedule)
        market.run(9_000)
        market.exchange.enter(
            CODE, Venue.KRX, Incoming(1, Side.BUY, market.exchange.instruments[CODE].fair + 40, 5)
        )
        market.run(1_100)
        price_krw = market.exchange.instruments[CODE].stalls[Venue.KRX].last_krw
        assert market.fills == [(1, price_krw, 5)]
        away += abs(price_krw - SAMSUNG.base_krw) > 100
    assert away >= 5
