"""Ticks: what the books of both venues look like. Read from the newest state, never committed."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from services.contracts.envelope import Message, Part
from services.contracts.terms import Side, Symbol, Venue

Level = tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(ge=0)]]
"""One price level: (price_krw, qty_shares)."""


class BookTrouble(StrEnum):
    """Why a frame is no book that anybody may trade on."""

    CROSSED = "crossed"
    """The best bid lies above the best ask: an auction, or garbage."""
    LOCKED = "locked"
    """The best bid equals the best ask: an auction, or garbage."""
    UNSORTED = "unsorted"
    """A side is not ordered from its best level on."""
    OFF_TICK = "off_tick"
    """A price that no order may carry, or none at all."""
    OUTSIDE_BAND = "outside_band"
    """A price outside the day's limits."""
    UNREADABLE = "unreadable"
    """A price or a quantity is no number."""


class RefusedBook(Part):
    """What a refused frame showed: kept as evidence, never traded on."""

    trouble: BookTrouble
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class QuoteUpdated(Message):
    """The book of one symbol on one venue, best level first; absent levels are left out.

    `refused` says that the frame was no book: both sides are empty then, so that nobody trades on it,
    nor on the book before it.

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
    refused: RefusedBook | None = None


class TradePrinted(Message):
    """A trade of the market. `aggressor` is None where the venue does not say."""

    symbol: Symbol
    venue: Venue
    price_krw: int
    qty_shares: int
    aggressor: Side | None
    exchange_time: str
