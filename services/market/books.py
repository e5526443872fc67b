"""The newest book of each symbol and venue, what is no book, and whether two of them may be compared.

Books are volatile: they are read from the newest state and never stored. `QuoteSeen` names the
message that carried a book and when it happened, so that a decision can name its inputs.

A frame that is crossed or locked in itself, or that shows a price which no order may carry, is no book:
an auction shows itself so, also one that nobody announced. It stands among the books with both sides
empty until the next sound frame, so that neither it nor the book before it is traded on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from services.contracts.limits import CLOCK_SKEW_MS, NS_PER_MS
from services.contracts.measures.every import BOOKS_REFUSED
from services.contracts.messages.intents import QuoteSeen
from services.contracts.messages.market_data import BookTrouble, QuoteUpdated, RefusedBook
from services.contracts.messages.venue_state import PriceBand
from services.contracts.metric import Reading
from services.contracts.step import Event, Received
from services.contracts.terms import Symbol, Venue
from services.contracts.tick_grid import TickGrid
from services.contracts.trading_limits import TradingLimits
from services.market.edge import Levels

Books = Mapping[tuple[Symbol, Venue], QuoteSeen]
"""The newest book by symbol and venue. Replaced with each quote, never changed in place."""


class BookFault(StrEnum):
    """Why two books cannot be traded on together."""

    MISSING = "missing"
    REFUSED = "refused"
    """The newest frame of one venue was no book."""
    EPOCH = "epoch"
    FUTURE = "future"
    AGE = "age"
    SKEW = "skew"


@dataclass(frozen=True, slots=True)
class Legs:
    """The two books of one direction: buy from the asks of one, sell into the bids of the other."""

    buy: QuoteSeen
    sell: QuoteSeen

    @property
    def buy_venue(self) -> Venue:
        return self.buy.quote.venue

    @property
    def sell_venue(self) -> Venue:
        return self.sell.quote.venue


def seen(event: Received, quote: QuoteUpdated) -> QuoteSeen:
    """Return a received quote with the message that carried it."""
    return QuoteSeen(message_id=event.envelope.id, ts_event_ns=event.envelope.ts_event_ns, quote=quote)


def with_book(books: Books, book: QuoteSeen, ticks: TickGrid, band: PriceBand | None = None) -> Books:
    """Return the books with one replaced; the same object where `book` is older than what is there.

    What is no book (`sound`) replaces the book before it too, with nothing on either side. `band` is the
    day's, None where it is not known yet.
    """
    key = (book.quote.symbol, book.quote.venue)
    known = books.get(key)
    if known is not None and _order(book) < _order(known):
        return books
    quote = sound(book.quote, ticks, band)
    return {**books, key: book.model_copy(update={"quote": quote, **_moves(known, quote, book.ts_event_ns)})}


def _moves(known: QuoteSeen | None, quote: QuoteUpdated, at_ns: int) -> dict[str, int]:
    """Since when both best prices stand. The first book of a connection counts as a move of both."""
    if known is None or known.quote.connection_epoch != quote.connection_epoch:
        return {"ask_moved_ns": at_ns, "bid_moved_ns": at_ns}
    before = known.quote
    return {
        "ask_moved_ns": known.ask_moved_ns if _best(before.asks) == _best(quote.asks) else at_ns,
        "bid_moved_ns": known.bid_moved_ns if _best(before.bids) == _best(quote.bids) else at_ns,
    }


def _best(levels: Levels) -> int | None:
    return levels[0][0] if levels else None


def sound(quote: QuoteUpdated, ticks: TickGrid, band: PriceBand | None = None) -> QuoteUpdated:
    """Return the book without levels of no quantity; one of no level at all where it is refused.

    The one place that says what a book is: the gateway asks before it publishes, and each reader again.
    A book of one side, or of none, is sound: a share at its limit of the day shows one.
    """
    if quote.refused is not None:
        return quote if not (quote.bids or quote.asks) else _refused(quote, quote.refused)
    bids, asks = _shown(quote.bids), _shown(quote.asks)
    trouble = trouble_of(bids, asks, ticks, band)
    if trouble is not None:
        return _refused(quote, RefusedBook(trouble=trouble, bids=quote.bids, asks=quote.asks))
    if len(bids) == len(quote.bids) and len(asks) == len(quote.asks):
        return quote
    return quote.model_copy(update={"bids": bids, "asks": asks})


def trouble_of(bids: Levels, asks: Levels, ticks: TickGrid, band: PriceBand | None) -> BookTrouble | None:
    """Say why two sides, best level first, are no book, or None (market rules 2.1, 2.2, 2.3)."""
    prices = [price_krw for price_krw, _ in (*bids, *asks)]
    if not all(map(ticks.is_on, prices)):
        return BookTrouble.OFF_TICK
    if band is not None and prices and not band.lower_krw <= min(prices) <= max(prices) <= band.upper_krw:
        return BookTrouble.OUTSIDE_BAND
    falls = all(better[0] > worse[0] for better, worse in pairwise(bids))
    rises = all(better[0] < worse[0] for better, worse in pairwise(asks))
    if not (falls and rises):
        return BookTrouble.UNSORTED
    if not (bids and asks) or bids[0][0] < asks[0][0]:
        return None
    return BookTrouble.LOCKED if bids[0][0] == asks[0][0] else BookTrouble.CROSSED


def _shown(levels: Levels) -> tuple[tuple[int, int], ...]:
    return tuple(level for level in levels if level[1] > 0)


def _refused(quote: QuoteUpdated, refused: RefusedBook) -> QuoteUpdated:
    return quote.model_copy(update={"bids": (), "asks": (), "refused": refused})


def refusal_counted(books: Books, event: Event) -> Iterable[Reading]:
    """Count a frame that a reader took for no book; `books` are the reader's after it."""
    if isinstance(event, Received) and isinstance(event.message, QuoteUpdated):
        book = books.get((event.message.symbol, event.message.venue))
        if book is not None and book.message_id == event.envelope.id and book.quote.refused is not None:
            yield BOOKS_REFUSED.at(1, book.quote.venue, book.quote.refused.trouble)


def legs_of(books: Books, symbol: Symbol, buy_venue: Venue) -> Legs | None:
    """The two books of a direction, or None where one was never seen."""
    buy, sell = books.get((symbol, buy_venue)), books.get((symbol, buy_venue.other))
    return None if buy is None or sell is None else Legs(buy, sell)


def fault_of(
    legs: Legs | None, limits: TradingLimits, connection_epoch: int, now_ns: int
) -> BookFault | None:
    """Say why two books cannot be traded on at `now_ns`, or None.

    Both must be books (`sound`) of the newest connection, none from the future, neither too old (the
    sell leg more strictly: the buy is an IOC and protects itself), and not too far apart in time.
    """
    if legs is None:
        return BookFault.MISSING
    if legs.buy.quote.refused is not None or legs.sell.quote.refused is not None:
        return BookFault.REFUSED
    newest = max(connection_epoch, legs.buy.quote.connection_epoch, legs.sell.quote.connection_epoch)
    if not legs.buy.quote.connection_epoch == legs.sell.quote.connection_epoch == newest:
        return BookFault.EPOCH
    buy_age_ns, sell_age_ns = now_ns - legs.buy.ts_event_ns, now_ns - legs.sell.ts_event_ns
    if min(buy_age_ns, sell_age_ns) < -CLOCK_SKEW_MS * NS_PER_MS:
        return BookFault.FUTURE
    if buy_age_ns > limits.max_quote_age_buy_ms * NS_PER_MS:
        return BookFault.AGE
    if sell_age_ns > limits.max_quote_age_sell_ms * NS_PER_MS:
        return BookFault.AGE
    if abs(buy_age_ns - sell_age_ns) > limits.max_quote_skew_ms * NS_PER_MS:
        return BookFault.SKEW
    return None


def _order(book: QuoteSeen) -> tuple[int, int]:
    return book.quote.connection_epoch, book.quote.feed_seq
