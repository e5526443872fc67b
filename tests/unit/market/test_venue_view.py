"""What the venue stream adds up to, and which two books may be compared."""

import pytest

from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_S
from services.contracts.messages.venue_state import HaltKind, SymbolHaltChanged
from services.contracts.terms import SessionPhase, TradingDate, Venue
from services.contracts.tick_grid import SHARE_TICKS
from services.market.books import BookFault, Legs, fault_of, legs_of, seen, with_book
from services.market.venue_view import VenueView
from tests.unit.detector import world
from tests.unit.detector.world import HYNIX, SAMSUNG, T0, ms, quote, received

TOMORROW = TradingDate(world.DATE.replace("23", "24"))


def view(*messages: object) -> VenueView:
    found = VenueView()
    for message in (*world.morning(), *messages):
        found = found.after(message)  # type: ignore[arg-type]
    return found


def halt(venue: Venue, kind: HaltKind, *, halted: bool) -> SymbolHaltChanged:
    return SymbolHaltChanged(symbol=SAMSUNG, venue=venue, kind=kind, halted=halted)


def test_nothing_holds_that_was_never_said() -> None:
    empty = VenueView()
    assert not empty.ready and not empty.both_continuous and not empty.feeds_alive
    assert not empty.window_open(0) and not empty.eligible(SAMSUNG)
    assert empty.warned(SAMSUNG) and empty.band(SAMSUNG) is None
    assert empty.connection_epoch == -1


def test_a_morning_adds_up() -> None:
    now = view()
    assert now.ready and now.both_continuous and now.feeds_alive and now.eligible(SAMSUNG)
    assert now.trading_date == world.DATE
    assert now.window_open(T0) and not now.window_open(T0 + 3_600 * NS_PER_S)


@pytest.mark.parametrize("venue", Venue)
def test_one_venue_that_pauses_is_enough(venue: Venue) -> None:
    assert not view(world.phase(venue, SessionPhase.PAUSE)).both_continuous


def test_each_halt_blocks_until_it_itself_is_over() -> None:
    vi, stop = HaltKind.VOLATILITY_INTERRUPTION, HaltKind.TRADING_HALT
    both = view(halt(Venue.KRX, vi, halted=True), halt(Venue.NXT, stop, halted=True))
    assert both.halted(SAMSUNG) and not both.halted(HYNIX)
    one = both.after(halt(Venue.KRX, vi, halted=False))
    assert one.halted(SAMSUNG)
    assert not one.after(halt(Venue.NXT, stop, halted=False)).halted(SAMSUNG)
    twice = one.after(halt(Venue.NXT, stop, halted=True))
    assert twice == one


def test_a_new_trading_date_forgets_the_day_but_not_the_connection() -> None:
    now = view(
        halt(Venue.KRX, HaltKind.TRADING_HALT, halted=True),
        *world.date_begins(TOMORROW),
    )
    assert now.trading_date == TOMORROW
    assert now.facts is None and now.window is None and not now.halted(SAMSUNG)
    assert now.both_continuous and now.ready


@pytest.mark.parametrize(
    "wrong",
    [
        world.phase(Venue.KRX, SessionPhase.CLOSED, TOMORROW),
        world.window(is_open=False).model_copy(update={"trading_date": TOMORROW}),
        world.facts((), trading_date=TOMORROW),
    ],
    ids=["phase", "window", "facts"],
)
def test_one_word_of_another_date_begins_no_date(wrong: Message) -> None:
    """Neither said twice, nor with a second wrong word after the right one was said again."""
    today = view()
    astray = today.after(wrong).after(wrong)
    assert astray.model_copy(update={"ahead": ()}) == today
    for message in world.morning():
        astray = astray.after(message)
    assert astray == today
    halted = halt(Venue.KRX, HaltKind.TRADING_HALT, halted=True)
    assert astray.after(wrong).after(halted).halted(SAMSUNG)


def test_a_new_date_begins_with_all_that_was_said_of_it_also_over_a_restart() -> None:
    first, second = world.date_begins(TOMORROW)
    waiting = VenueView.model_validate_json(view().after(first).model_dump_json())
    assert waiting.trading_date == world.DATE and waiting.both_continuous
    begun = waiting.after(second)
    assert begun.trading_date == TOMORROW and begun.both_continuous and begun.facts is None


def test_a_halt_that_was_said_before_any_date_still_holds() -> None:
    early = VenueView().after(halt(Venue.KRX, HaltKind.TRADING_HALT, halted=True))
    assert early.after(world.phase(Venue.KRX)).halted(SAMSUNG)


def test_other_messages_leave_the_view_as_it_is() -> None:
    now = view()
    assert now.after(quote(Venue.KRX, 70_000, 70_100)) is now


# -- books -------------------------------------------------------------------------------


def legs(buy_age_ms: int = 0, sell_age_ms: int = 0, buy_epoch: int = 1, sell_epoch: int = 1) -> Legs:
    def book(venue: Venue, age_ms: int, epoch: int):  # type: ignore[no-untyped-def]
        made = quote(venue, 70_000, 70_100, epoch=epoch)
        return seen(received(made, ms(0), event_ns=ms(-age_ms)), made)

    return Legs(book(Venue.KRX, buy_age_ms, buy_epoch), book(Venue.NXT, sell_age_ms, sell_epoch))


@pytest.mark.parametrize(
    ("found", "epoch", "fault"),
    [
        (legs(), 1, None),
        (None, 1, BookFault.MISSING),
        (legs(), 2, BookFault.EPOCH),
        (legs(buy_epoch=2), 1, BookFault.EPOCH),
        (legs(sell_epoch=0), 1, BookFault.EPOCH),
        (legs(buy_epoch=2, sell_epoch=2), 1, None),
        (legs(2_000, 1_000), 1, None),
        (legs(2_001, 1_000), 1, BookFault.AGE),
        (legs(0, 1_001), 1, BookFault.AGE),
        (legs(1_501, 0), 1, BookFault.SKEW),
        (legs(-251, 0), 1, BookFault.FUTURE),
        (legs(0, -251), 1, BookFault.FUTURE),
    ],
)
def test_two_books_are_comparable_only_fresh_and_of_one_connection(
    found: Legs | None, epoch: int, fault: BookFault | None
) -> None:
    assert fault_of(found, world.LIMITS, epoch, ms(0)) is fault


def test_the_newest_book_wins_by_connection_then_by_frame() -> None:
    def book(epoch: int, seq: int):  # type: ignore[no-untyped-def]
        made = quote(Venue.KRX, 70_000, 70_100, epoch=epoch, seq=seq)
        return seen(received(made, ms(0)), made)

    first = with_book({}, book(1, 5), SHARE_TICKS)
    assert with_book(first, book(1, 4), SHARE_TICKS) is first
    assert with_book(first, book(0, 9), SHARE_TICKS) is first
    newest = with_book(first, book(2, 1), SHARE_TICKS)
    assert newest[SAMSUNG, Venue.KRX].quote.connection_epoch == 2
    assert legs_of(newest, SAMSUNG, Venue.KRX) is None
