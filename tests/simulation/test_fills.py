"""What fills of simulated days came to, by preset and by the side that moved last."""

from decimal import Decimal
from pathlib import Path

from services.cli.simulate import Tally
from services.cli.simulate_command import fills_table
from services.contracts.terms import MovedLast, Side, Venue
from services.lab.fills import NONE, PART, WHOLE, Clip, DayFills, Leg, QuoteTape, fill_figures
from services.simulator.virtual.day import VirtualDay
from services.simulator.virtual.desk import build_desk
from services.simulator.virtual.faults import CALM

CONFIG = Path(__file__).resolve().parents[2] / "config"
S = 1_000_000_000


def clip(expected: int, realised: int, missed: bool, moved_last: MovedLast = MovedLast.BID) -> Clip:
    return Clip(100_000, Decimal(expected), realised, missed, moved_last)


def test_a_miss_loses_what_it_brings_less_than_expected() -> None:
    day = DayFills("fair", [clip(200, 200, False), clip(200, -200, True), clip(0, 0, False, MovedLast.ASK)])
    by_side = {row.moved_last: row for row in fill_figures([day, day])}
    bid = by_side[MovedLast.BID]
    assert (bid.clips, bid.missed, bid.miss_rate) == (4, 2, 0.5)
    assert (bid.miss_loss_bps, bid.expected_bps, bid.realised_bps) == (40.0, 20.0, 0.0)
    assert by_side[MovedLast.ASK].miss_loss_bps is None, "nothing was missed there"


def test_fills_are_counted_by_extent_and_presets_apart() -> None:
    legs = [Leg(MovedLast.BID, Side.BUY, extent) for extent in (WHOLE, WHOLE, PART, NONE)]
    legs.append(Leg(MovedLast.BID, Side.SELL, NONE))
    fair, harsh = fill_figures([DayFills("fair", [], legs), DayFills("harsh", [], legs[:1])])
    assert (fair.preset, harsh.preset) == ("fair", "harsh")
    assert fair.entries == {WHOLE: 2, PART: 1, NONE: 1}
    assert fair.sales == {WHOLE: 0, PART: 0, NONE: 1}
    assert harsh.entries[WHOLE] == 1


def test_moves_count_from_just_before_the_fill() -> None:
    tape = QuoteTape()
    for at_ns, best in ((0, (99, 101)), (5 * S, (98, 104)), (6 * S, (100, 104)), (20 * S, (0, 0))):
        tape.moved("A", Venue.KRX, best, at_ns)
    assert tape.twice_mid("A", Venue.KRX, 5 * S, before=True) == 200
    assert tape.twice_mid("A", Venue.KRX, 5 * S) == 202
    assert tape.twice_mid("A", Venue.KRX, 25 * S) is None, "the venue does not match"
    assert tape.twice_mid("A", Venue.NXT, 5 * S) is None
    leg = Leg(MovedLast.BID, Side.BUY, WHOLE, (200, 202, 204, None))
    (row,) = fill_figures([DayFills("fair", [], [leg, Leg(MovedLast.BID, Side.BUY, NONE)])])
    assert list(row.move_after_buy_bps.values()) == [100.0, 200.0, None]
    assert set(row.move_after_sale_bps.values()) == {None}


def test_a_day_is_filed_as_the_brokers_books_have_it() -> None:
    day = VirtualDay(build_desk(CONFIG), 2, CALM)
    day.run()
    fills = day.fills()
    assert fills.clips and fills.crosses_seen
    entries = [order for order in day.witness.orders() if order.rqname.endswith(".b.1")]
    bought = [leg for leg in fills.legs if leg.side is Side.BUY]
    assert len(bought) == len(entries)
    assert sum(leg.extent == NONE for leg in bought) == sum(not order.filled_shares for order in entries)
    ours = day.witness.orders()
    paid_krw = sum(order.amount_krw for order in ours if order.side is Side.BUY)
    assert sum(each.paid_krw for each in fills.clips) == paid_krw
    assert sum(each.realised_krw for each in fills.clips) == sum(order.cash_flow_krw for order in ours)
    assert fills_table(Tally(days=1, fills=[fills])).row_count == len(fill_figures([fills]))
