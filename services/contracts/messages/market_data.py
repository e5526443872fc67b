"""Ticks: what the books of both venues look like. Read from the newest state, never committed."""

from typing import Annotated

from pydantic import Field

from services.contracts.envelope import Message
from services.contracts.terms import Side, Symbol, Venue

Level = tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(ge=0)]]
"""One price level: (price_krw, qty_shares)."""


class QuoteUpdated(Message):
    """The book of one symbol on one venue, best level first; absent levels are left out.

    `connection_epoch` grows with each connection to the broker (Redis time): a book of an older epoch is
    no book. `feed_seq` counts the gateway's book frames of this symbol and venue, so that a
    reader sees what it skipped; `conflated` frames were replaced by this one before it was
    published. `exchange_time` is the venue's own `HHMMSS`.
    """

    symbol: Symbol
    venue: Venue
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    exchange_time: str
    connection_epoch: int
    feed_seq: int
    conflated: int = 0


class TradePrinted(Message):
    """A trade of the market. `aggressor` is None where the venue does not say."""

    symbol: Symbol
    venue: Venue
    price_krw: int
    qty_shares: int
    aggressor: Side | None
    exchange_time: str
