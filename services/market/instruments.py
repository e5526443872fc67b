"""What is traded besides shares: funds of domestic shares, by venue and date.

Owns the invariant that funds are bought on a date only where both venues are open to them on it
(`funds_closed_because`). Their costs and ticks stay known where they are closed: a fund that is held is
sold all the same.
"""

import datetime as dt
from typing import Annotated, Self

from pydantic import Field, model_validator

from services.contracts.reference import Frozen, TradeCosts
from services.contracts.terms import Market, SessionPhase, TradingDate, Venue
from services.contracts.tick_grid import Band, TickGrid
from services.market.costs import CostTable
from services.market.dates import parse_trading_date


def trades_in(market: Market, venue: Venue, phase: SessionPhase) -> bool:
    """Whether a venue trades a market's symbols in a phase: KRX keeps funds out of its after-market
    (market rules 1.2)."""
    return not (market.is_fund and venue is Venue.KRX and phase is SessionPhase.AFTER_MARKET)


class FundVenueRow(Frozen):
    """Whether funds trade on one venue from a date on, and on which ticks."""

    venue: Venue
    effective_from: dt.date
    enabled: bool
    ticks: tuple[Band, ...] = ()
    why: str = ""

    @model_validator(mode="after")
    def _enabled_has_ticks(self) -> Self:
        if self.enabled and not self.ticks:
            raise ValueError(f"funds on {self.venue} are enabled but their ticks are not given")
        if not (self.enabled or self.why):
            raise ValueError(f"funds on {self.venue} are not enabled: say why")
        if self.ticks:
            _ = self.grid
        return self

    @property
    def grid(self) -> TickGrid:
        return TickGrid(bands=self.ticks)


class InstrumentTable(Frozen):
    """`instruments.toml`: dated rows by venue. A venue without a row on a date takes no fund."""

    fund_venue: Annotated[tuple[FundVenueRow, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_date_once(self) -> Self:
        rows = [(row.venue, row.effective_from) for row in self.fund_venue]
        for venue, day in rows:
            if rows.count((venue, day)) > 1:
                raise ValueError(f"funds on {venue} are given more than once from {day} on")
        return self

    def fund_venue_on(self, venue: Venue, trading_date: TradingDate) -> FundVenueRow | None:
        """The row in force on a date, or None."""
        return max(self._until(venue, trading_date), key=lambda row: row.effective_from, default=None)

    def fund_ticks_on(self, venue: Venue, trading_date: TradingDate) -> TickGrid | None:
        """The ticks that funds last had on a venue by a date, also where it is closed to them; None where no
        row gives any."""
        rows = [row for row in self._until(venue, trading_date) if row.ticks]
        return max(rows, key=lambda row: row.effective_from).grid if rows else None

    def _until(self, venue: Venue, trading_date: TradingDate) -> list[FundVenueRow]:
        day = parse_trading_date(trading_date)
        return [row for row in self.fund_venue if row.venue is venue and row.effective_from <= day]

    def funds_closed_because(self, trading_date: TradingDate) -> str:
        """Why no fund is traded on a date, in plain words; empty where funds are."""
        for venue in Venue:
            row = self.fund_venue_on(venue, trading_date)
            if row is None:
                return f"instruments.toml has no row for funds on {venue} on {trading_date}"
            if not row.enabled:
                return f"instruments.toml keeps funds on {venue} switched off: {row.why}"
        return ""


def costs_by_market(
    costs: CostTable, instruments: InstrumentTable, trading_date: TradingDate
) -> dict[Market, TradeCosts]:
    """What a trade costs on a date, for each market whose ticks are known. Raises NotCovered.

    Funds have costs also where they are closed. A venue that was never open to them has the other's ticks.
    """
    found = {market: costs.costs_of(trading_date, market) for market in Market}
    krx, nxt = (instruments.fund_ticks_on(venue, trading_date) for venue in (Venue.KRX, Venue.NXT))
    krx, nxt = krx or nxt, nxt or krx
    if krx is None or nxt is None:
        del found[Market.ETF]
    else:
        update = {"krx_ticks": krx, "nxt_ticks": nxt}
        found[Market.ETF] = found[Market.ETF].model_copy(update=update)
    return found
