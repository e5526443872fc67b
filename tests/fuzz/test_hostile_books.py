"""Frames of any prices at one symbol, in the middle of its pair: nothing fails, and another pair goes on."""

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.pairs import PairClosed, ResidualMarked, StrandReason
from services.contracts.terms import Venue
from services.contracts.tick_grid import SHARE_TICKS
from tests.fuzz.profile import examples
from tests.unit.executor.desk import OTHER, SYMBOL, Desk

Side = tuple[tuple[int, int], ...]
PRICES = st.sampled_from(
    (-100, 0, 1, 1_999, 69_900, 70_000, 99_900, 99_950, 100_500, 100_550, 130_000, 130_100, 10**12)
)
SIDES = st.lists(st.tuples(PRICES, st.sampled_from((-1, 0, 1, 100, 10**9))), max_size=3).map(tuple)
FRAMES = st.tuples(st.sampled_from(Venue), SIDES, SIDES, st.sampled_from((0, 100, 700)))


@given(filled=st.integers(0, 5), frames=st.lists(FRAMES, max_size=8))
@examples(25)
def test_no_frame_makes_a_pair_fail_or_another_wait(
    filled: int, frames: list[tuple[Venue, Side, Side, int]]
) -> None:
    desk = Desk().open_day()
    desk.crossed(OTHER)
    desk.approve("P1", symbol=SYMBOL)
    desk.approve("P2", symbol=OTHER)
    one, two = desk.orders
    desk.part_fill(one, filled)
    for seq, (venue, bids, asks, wait_ms) in enumerate(frames, start=1_000):
        shown = QuoteUpdated.model_construct(
            symbol=SYMBOL, venue=venue, bids=bids, asks=asks, exchange_time="100000", connection_epoch=1,
            feed_seq=seq, conflated=0, refused=None,
        )  # fmt: skip
        desk.hear(shown)
        desk.tick(wait_ms)
    desk.close(one, filled)
    desk.fill(two)
    desk.crossed(OTHER)
    sell = next(sell for sell in desk.sells if sell.pair_id == "P2")
    desk.fill(sell)
    desk.tick(100)
    assert "P2" in {closed.pair_id for closed in desk.all(PairClosed)}
    assert StrandReason.FAULT not in {marked.reason for marked in desk.all(ResidualMarked)}
    assert all(order.price_krw == 0 or SHARE_TICKS.is_on(order.price_krw) for order in desk.orders)
