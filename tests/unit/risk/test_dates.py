"""One wrong word of a later date takes nothing of today away, whatever happens until it is taken back."""

import pytest

from services.contracts.envelope import Message
from services.contracts.messages.orders import OrderFilled
from services.contracts.messages.pairs import PairApproved
from services.contracts.terms import Side, TradingDate, TradingState, Venue
from services.risk.exposure import cash_available_krw, cash_flow_krw, realised_krw, total_exposure_krw
from services.risk.state import RiskState
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.detector.world import HYNIX, SAMSUNG
from tests.unit.risk import desk as d
from tests.unit.risk.desk import Desk, armed, closed, facts, filled, intent

LATER = TradingDate("2026-11-24")
WRONG = {
    "phase": world.phase(Venue.KRX, date=LATER),
    "window": world.window(False).model_copy(update={"trading_date": LATER}),
    "facts": world.facts((), trading_date=LATER),
}


def approved(desk: Desk, name: str, **changes: object) -> str:
    verdict = desk.answer(intent(desk, name=name, **changes))
    assert isinstance(verdict, PairApproved)
    return verdict.pair_id


def day(*, wrong: Message | None = None, restarts: bool = False) -> Desk:
    """One pair is over and one half sold; it is closed, and the costs of both told, after a wrong word."""
    desk = armed()
    desk.tell(*world.crossing(HYNIX))
    done, kept = approved(desk, "done"), approved(desk, "kept", symbol=HYNIX)
    sale = facts(done, Side.SELL, 5, 340_000, commission_krw=0, tax_krw=0)
    desk.tell(filled(facts(done, Side.BUY, 5, 350_000)), filled(sale), closed(done))
    desk.tell(filled(facts(kept, Side.BUY, 5, 350_000, symbol=HYNIX)))
    desk.tell(filled(facts(kept, Side.SELL, 3, 207_000, symbol=HYNIX)))
    if wrong is not None:
        desk.tell(wrong)
    if restarts:
        again = RiskState(required_services=d.REQUIRED)
        beats, books = desk.state.beats, desk.state.books
        desk.state = restore(again, changed_parts(None, desk.state)).but(beats=beats, books=books)
    rest = facts(kept, Side.SELL, 2, 136_000, symbol=HYNIX, order_id=f"{kept}.1.s.2")
    desk.tell(filled(rest), closed(kept, symbol=HYNIX, sold_krw=343_000))
    desk.tell(*world.morning(), d.account())
    desk.tell(OrderFilled(facts=facts(done, Side.SELL, 5, 340_000), last_qty_shares=0, last_amount_krw=0))
    return desk


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_word_that_is_taken_back_leaves_the_books_as_they_were(wrong: Message, restarts: bool) -> None:
    mended, true = (desk.state for desk in (day(wrong=wrong, restarts=restarts), day()))
    assert mended.venue == true.venue and mended.trading == true.trading
    assert mended.day.model_copy(update={"best_krw": 0}) == true.day.model_copy(update={"best_krw": 0})
    assert (mended.pairs, mended.closed, mended.settled) == (true.pairs, true.closed, true.settled)
    assert mended.settled_krw == true.settled_krw and realised_krw(mended) == realised_krw(true) < 0
    assert cash_flow_krw(mended) == cash_flow_krw(true) and mended.day.trips == {SAMSUNG: 1, HYNIX: 1}


def test_entries_wait_and_exits_go_on_while_one_word_names_another_date() -> None:
    desk = armed()
    desk.tell(WRONG["phase"])
    assert desk.state.trading.state is TradingState.ARMED
    assert not isinstance(desk.answer(intent(desk)), PairApproved)
    desk.tell(world.phase(Venue.KRX))
    assert isinstance(desk.answer(intent(desk, name="again")), PairApproved)


def test_a_second_word_confirms_the_date_and_disarms() -> None:
    desk = armed()
    pair_id = approved(desk, "done")
    desk.tell(filled(facts(pair_id, Side.BUY, 5, 350_000)), filled(facts(pair_id, Side.SELL, 5, 340_000)))
    desk.tell(closed(pair_id), *world.date_begins(LATER))
    assert desk.state.trading.state is TradingState.DISARMED and desk.state.aside is None
    assert (desk.state.day.trading_date, realised_krw(desk.state)) == (LATER, 0)
    assert total_exposure_krw(desk.state) == 0
    desk.tell(*world.morning())
    assert desk.state.day.trading_date == LATER, "what is said of an earlier date is old"


def test_a_pair_that_ends_on_the_next_date_costs_no_trip_of_it() -> None:
    desk = armed()
    pair_id = approved(desk, "carried")
    desk.tell(filled(facts(pair_id, Side.BUY, 5, 350_000)), *world.date_begins(LATER))
    sale = facts(pair_id, Side.SELL, 5, 340_000, trading_date=LATER)
    desk.tell(filled(sale), closed(pair_id))
    assert pair_id in desk.state.closed and desk.state.day.trips == {}


def test_a_new_date_knows_no_cash_until_it_is_reported() -> None:
    desk = armed()
    assert cash_available_krw(desk.state) is not None
    desk.tell(*world.date_begins(LATER))
    assert cash_available_krw(desk.state) is None
    desk.tell(d.account(trading_date=LATER))
    assert cash_available_krw(desk.state) is not None


def test_files_of_a_later_date_begin_no_date() -> None:
    desk = armed()
    desk.tell(d.files(trading_date=LATER))
    assert desk.state.day.trading_date == world.DATE
    assert desk.state.trading.state is TradingState.ARMED
