"""Redis time against the exchange's own time stamps: when they part, trading stops."""

from typing import Any

import pytest

from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.terms import SessionPhase, Severity, Venue
from services.gateway.book_feed import BookFeed, book_fids
from services.gateway.exchange_time import agrees, limit_ns, market_ns_of
from services.gateway.facts import Clocked
from services.market.dates import time_of_day_ns
from services.market.files import load_market
from services.market.market_clock import REAL_TIME, MarketClock, compressed_day
from services.runtime.settings import config_dir

from .desk import DATE, Desk, S, at, fresh, ready

CODES = {Venue.KRX: "005930", Venue.NXT: "005930_NX"}
SECONDS_OF_DAY = 60
PLAN = compressed_day(load_market(config_dir()).timetable.day(DATE), at(8), SECONDS_OF_DAY)


class Feed:
    """Frames of both venues with the exchange's time, which may be off from the gateway's clock."""

    def __init__(self, desk: Desk, clock: MarketClock = REAL_TIME) -> None:
        self.desk, self.clock, self.feed = desk, clock, BookFeed(1)

    def frame(self, venue: Venue, exchange_time: str) -> None:
        values = {**dict.fromkeys(book_fids(1), "0"), 21: exchange_time}
        self.feed.quote(CODES[venue], values.__getitem__, 1, self.desk.now_ns)

    def run(self, seconds: float, *, off_s: float = 0, text: str = "", venues: Any = Venue) -> None:
        """Frames and ticks, ten a second; the exchange's clock is ahead of ours by `off_s` of real time."""
        for _ in range(int(seconds * 10)):
            for venue in venues:
                self.frame(venue, text or self.clock.hhmmss(self.desk.now_ns + int(off_s * S)))
            apart = self.feed.take_apart_ns(self.clock)
            last = dict.fromkeys(Venue, self.desk.now_ns)
            self.desk.feed(Clocked(last_book_ns=last, exchange_apart_ns=apart))
            self.desk.now_ns += S // 10

    @property
    def alarms(self) -> list[AlertRaised]:
        told = [m for m in self.desk.told(AlertRaised) if m.kind is AlertKind.CLOCK]
        return [m for m in told if not m.resolved]

    def trusted(self) -> bool:
        return agrees(self.desk.state.doubts)


@pytest.fixture
def feed() -> Feed:
    return Feed(ready(fresh()))


class TestJudgement:
    @pytest.mark.parametrize("off_s", [0, -4, 4])
    def test_clocks_that_agree_within_the_limit_are_trusted(self, feed: Feed, off_s: float) -> None:
        feed.run(20, off_s=off_s)
        assert feed.trusted()
        assert feed.alarms == []

    @pytest.mark.parametrize(("off_s", "word"), [(10, "ahead of"), (-10, "behind")])
    def test_ten_seconds_apart_are_told_after_three_and_not_before(
        self, feed: Feed, off_s: float, word: str
    ) -> None:
        feed.run(5)
        feed.run(3, off_s=off_s)
        assert feed.trusted()
        assert feed.alarms == []
        feed.run(0.5, off_s=off_s)
        assert not feed.trusted()
        assert {(m.severity, m.alert_id) for m in feed.alarms} == {
            (Severity.CRITICAL, f"gateway-exchange-time-{venue}") for venue in Venue
        }
        assert all(word in m.detail and m.next_step for m in feed.alarms)

    def test_it_is_told_once_and_is_over_when_they_agree_again(self, feed: Feed) -> None:
        feed.run(20, off_s=10)
        assert len(feed.alarms) == len(Venue)
        feed.desk.said.clear()
        feed.run(1)
        assert feed.trusted()
        over = [m.alert_id for m in feed.desk.told(AlertRaised) if m.resolved]
        assert sorted(over) == sorted(f"gateway-exchange-time-{venue}" for venue in Venue)

    def test_one_venue_is_enough(self, feed: Feed) -> None:
        for _ in range(40):
            feed.run(0.1, venues=[Venue.KRX])
            feed.run(0.1, off_s=-10, venues=[Venue.NXT])
        assert not feed.trusted()
        assert [m.alert_id for m in feed.alarms] == ["gateway-exchange-time-NXT"]

    def test_old_frames_among_new_ones_say_nothing(self, feed: Feed) -> None:
        for _ in range(100):
            for venue in Venue:
                feed.frame(venue, REAL_TIME.hhmmss(feed.desk.now_ns - 60 * S))
            feed.run(0.1)
        assert feed.trusted()
        assert feed.alarms == []

    def test_single_old_frames_of_a_feed_that_is_silent_between_are_not_one_doubt(self, feed: Feed) -> None:
        for _ in range(5):
            feed.run(0.1, off_s=-60)
            feed.desk.now_ns += 6 * S
        assert feed.trusted()

    def test_a_time_that_stands_still_is_a_parted_one(self, feed: Feed) -> None:
        feed.run(20, text=REAL_TIME.hhmmss(feed.desk.now_ns))
        assert not feed.trusted()

    @pytest.mark.parametrize("text", ["", "0900", "888888", "09000a", "1000001", "１００１００"])
    def test_what_is_no_time_is_no_evidence(self, feed: Feed, text: str) -> None:
        feed.run(20, text=text or " ")
        assert feed.trusted()
        assert feed.alarms == []
        assert feed.desk.state.doubts == {}

    def test_what_is_no_time_does_not_end_a_doubt(self, feed: Feed) -> None:
        feed.run(4, off_s=10)
        feed.run(4, text="garbage")
        assert not feed.trusted()


class TestSessions:
    @pytest.mark.parametrize("hour", [7, 21])
    def test_a_closed_venue_does_not_count(self, hour: int) -> None:
        feed = Feed(fresh(now_ns=at(hour)))
        feed.run(10, off_s=-60)
        assert feed.trusted()
        assert feed.alarms == []

    def test_an_auction_does_not_count(self) -> None:
        feed = Feed(fresh(now_ns=at(15, 21)))
        feed.run(10, off_s=-60, venues=[Venue.KRX])
        assert feed.desk.state.session.phases[Venue.KRX] is SessionPhase.CLOSING_AUCTION
        assert feed.trusted()
        assert feed.alarms == []

    def test_a_venue_found_apart_stays_so_over_an_auction(self) -> None:
        feed = Feed(ready(fresh(now_ns=at(15, 19, 45))))
        feed.run(12, off_s=-10)
        assert not feed.trusted()
        feed.run(20, off_s=-10, venues=[Venue.KRX])
        assert feed.desk.state.session.phases[Venue.KRX] is SessionPhase.CLOSING_AUCTION
        assert not feed.trusted()
        feed.run(1)
        assert feed.trusted()


class TestCompressedDay:
    def desk(self) -> Desk:
        desk = fresh(now_ns=at(8))
        desk.state = desk.state.but(clock=PLAN)
        return desk

    def test_delays_of_a_second_and_whole_seconds_do_not_alarm(self) -> None:
        feed = Feed(self.desk(), PLAN)
        feed.run(SECONDS_OF_DAY, off_s=-0.9)
        assert feed.trusted()
        assert feed.alarms == []
        assert feed.desk.state.session.day_over

    def test_clocks_that_are_seconds_of_real_time_apart_do(self) -> None:
        desk = self.desk()
        desk.now_ns = PLAN.wall_ns(time_of_day_ns(REAL_TIME.market_time(at(10)).time()))
        feed = Feed(desk, PLAN)
        feed.run(5, off_s=8)
        assert not feed.trusted()

    def test_the_limit_follows_the_pace_of_the_market(self) -> None:
        assert limit_ns(REAL_TIME, at(10), 5) == 5 * NS_PER_S
        now_ns = PLAN.wall_ns(time_of_day_ns(REAL_TIME.market_time(at(11)).time()))
        pace = PLAN.market_ns(now_ns) - PLAN.market_ns(now_ns - NS_PER_S)
        assert pace > 100 * NS_PER_S
        assert limit_ns(PLAN, now_ns, 5) == 5 * pace

    def test_midnight_and_the_end_of_the_plan_have_the_limit_of_a_real_day(self) -> None:
        assert limit_ns(REAL_TIME, at(0), 5) == 5 * NS_PER_S
        assert limit_ns(PLAN, at(20), 5) == 5 * NS_PER_S


def test_the_times_of_a_day_are_read_to_the_second() -> None:
    assert [market_ns_of(t) for t in ("000000", " 090030 ", "235959")] == [
        0, 32_430 * NS_PER_S, 86_399 * NS_PER_S,
    ]  # fmt: skip
    assert [market_ns_of(t) for t in ("240000", "096000", "090060", "-90000")] == [None] * 4


def test_each_call_tells_of_the_frames_since_the_last_one(feed: Feed) -> None:
    feed.frame(Venue.KRX, REAL_TIME.hhmmss(feed.desk.now_ns - 7 * S))
    feed.frame(Venue.KRX, REAL_TIME.hhmmss(feed.desk.now_ns - 2 * S))
    assert set(feed.feed.take_apart_ns(REAL_TIME)) == {Venue.KRX}
    assert feed.feed.take_apart_ns(REAL_TIME) == {}
