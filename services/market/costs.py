"""Costs by date: which commission and which sell tax a sale of a given day pays.

Owns the invariant that a rate is looked up by the date of the *sale* although the law dates it by
settlement: the table's rows start at the first sale that settles in the new year (market rules 3.1).
Past `covered_through` the last known rates go on, marked provisional; before the table there is none.
"""

import datetime as dt
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from services.contracts.reference import CommissionRates, Frozen, TradeCosts
from services.contracts.terms import Market, TradingDate
from services.market.confirmed import Confirmation, checked, refuse_strays
from services.market.dates import parse_trading_date
from services.market.errors import NotCovered

__all__ = ["CommissionRow", "CostTable", "SellTaxRow", "TradeCosts"]


MOST_RATE: Final = Decimal("0.005")
"""No commission or tax of Korean shares has been more for years; what is above is written in percent."""


def _is_no_percent(rate: Decimal) -> Decimal:
    if rate > MOST_RATE:
        said = f"{rate} is {(rate * 100).normalize():f} %"
        raise ValueError(f"{said}, and no charge is above 0.5 %; write a share, 0.00015 for 0.015 %")
    return rate


FileRate = Annotated[Decimal, Field(ge=0, allow_inf_nan=False), AfterValidator(_is_no_percent)]
"""A share of an amount as a person writes it: 0.00015 is 0.015 %."""


class SellTaxRow(Frozen):
    """The two taxes on a sale of one market from a sale date on."""

    effective_from: dt.date
    market: Market
    transaction: FileRate
    rural: FileRate


class CommissionRow(Frozen):
    """The broker's commission from a date on."""

    effective_from: dt.date
    krx: FileRate
    nxt: FileRate
    truncate_to_krw: Literal[1, 10] = 1

    @property
    def rates(self) -> CommissionRates:
        return CommissionRates.model_validate(self.model_dump(exclude={"effective_from"}))


class CostTable(Frozen):
    """`costs.toml`: dated rows, each kind in ascending order of its date."""

    covered_from: dt.date
    covered_through: dt.date
    sell_tax: tuple[SellTaxRow, ...]
    commission: tuple[CommissionRow, ...]
    confirmed: tuple[Confirmation, ...] = ()

    @model_validator(mode="after")
    def _rows_cover_every_date(self) -> Self:
        if self.covered_through < self.covered_from:
            raise ValueError(
                f"covered_through {self.covered_through} is before covered_from {self.covered_from}"
            )
        refuse_strays(self.confirmed, self.covered_from, self.covered_through)
        for market in Market:
            rows = tuple(row.effective_from for row in self.sell_tax if row.market is market)
            self._check_dates(f"sell_tax of {market}", rows)
        self._check_dates("commission", tuple(row.effective_from for row in self.commission))
        return self

    def _check_dates(self, what: str, starts: tuple[dt.date, ...]) -> None:
        if not starts or starts[0] > self.covered_from:
            raise ValueError(f"{what} needs a row that is in force on covered_from {self.covered_from}")
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise ValueError(f"{what} rows must be in ascending order of effective_from, each date once")

    def costs_of(self, trading_date: TradingDate, market: Market) -> TradeCosts:
        """What a trade on that date costs, by the last known rates. Raises NotCovered before the table."""
        day = parse_trading_date(trading_date)
        if day < self.covered_from:
            raise NotCovered("costs.toml", trading_date, str(self.covered_from))
        taxes = [row for row in self.sell_tax if row.market is market and row.effective_from <= day]
        commissions = [row for row in self.commission if row.effective_from <= day]
        return TradeCosts(
            trading_date=trading_date,
            market=market,
            commission=commissions[-1].rates,
            transaction_tax_rate=taxes[-1].transaction,
            rural_tax_rate=taxes[-1].rural,
            checked=checked(day, self.covered_through, self.confirmed),
        )
