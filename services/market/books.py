"""The newest book of each symbol and venue, and whether two of them may be compared.

Books are volatile: they are read from the newest state and never stored. `QuoteSeen` names the
message that carried a book and when it happened, so that a decision can name its inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.contracts.limits import CLOCK_SKEW_MS, NS_PER_MS
from services.contracts.messages.intents import QuoteSeen
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.step import Received
from services.contracts.terms import Symbol, Venue
from services.contracts.trading_limits import TradingLimits

Books = Mapping[tuple[Symbol, Venue], QuoteSeen]
"""The newest book by symbol and venue. Replaced with each quote, never changed in place."""


class BookFault(StrEnum):
    """Why two books cannot be traded on together."""

    MISSING = "missing"
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


def with_book(books: Books, book: QuoteSeen) -> Books:
    """Return the books with one replaced; the same object where `book` is older than what is there."""
    key = (book.quote.symbol, book.quote.venue)
    known = books.get(key)
    if known is not None and _order(book) < _order(known):
        return books
    return {**books, key: book}


def legs_of(books: Books, symbol: Symbol, buy_venue: Venue) -> Legs | None:
    """The two books of a direction, or None where one was never seen."""
    buy, sell = books.get((symbol, buy_venue)), books.get((symbol, buy_venue.other))
    return None if buy is None or sell is None else Legs(buy, sell)


def fault_of(
    legs: Legs | None, limits: TradingLimits, connection_epoch: int, now_ns: int
) -> BookFault | None:
    """Say why two books cannot be traded on at `now_ns`, or None.

    Both must be of the newest connection, none from the future, neither too old (the sell leg more
    strictly: the buy is an IOC and protects itself), and not too far apart in time.
    """
    if legs is None:
        return BookFault.MISSING
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
