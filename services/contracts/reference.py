"""Reference data that travels in control messages: symbols, and what a trade costs on one date.

Owns one invariant: every amount of commission and tax in the system comes out of `TradeCosts`,
from Decimal rates and whole won, each charge floored by itself (market rules 3.1 and 3.3). The
tables by date that these values are taken from belong to the market package.
"""

from decimal import ROUND_FLOOR, Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.terms import Market, Symbol, TradingDate, Venue
from services.contracts.tick_grid import SHARE_TICKS, TickGrid

NXT_SUFFIX = "_NX"
"""What the broker appends to a code to name the NXT feed of the same share (Kiwoom sheet 4.1)."""

Rate = Annotated[Decimal, Field(ge=0, lt=Decimal("0.1"), allow_inf_nan=False)]
"""A share of an amount: 0.00015 is 0.015 %. A tenth or more is a percent mistaken for a rate."""


class Frozen(BaseModel):
    """A record that refuses keys it does not know, in a file and on the wire alike: a charge that
    this build has never heard of must not be left out of a sum."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SymbolEntry(Frozen):
    """One share the desk trades, as `symbol_map.csv` names it on both venues."""

    krx_code: Annotated[Symbol, Field(pattern=r"^[0-9][0-9A-Z]{5}$")]
    nxt_code: str
    name: Annotated[str, Field(min_length=1)]
    market: Market
    group: Annotated[str, Field(min_length=1)]
    enabled: bool

    @model_validator(mode="after")
    def _codes_name_one_share(self) -> Self:
        if self.nxt_code != self.krx_code + NXT_SUFFIX:
            raise ValueError(f"nxt_code {self.nxt_code!r} must be {self.krx_code + NXT_SUFFIX!r}")
        return self


class CommissionRates(Frozen):
    """The broker's commission rate by venue, and the unit it drops fractions below (market rules 3.3)."""

    krx: Rate
    nxt: Rate
    truncate_to_krw: Literal[1, 10] = 1

    def rate(self, venue: Venue) -> Decimal:
        return self.krx if venue is Venue.KRX else self.nxt


class Checked(Frozen):
    """How far rules by date were held against the published ones, and by whom for one date.

    `through` is the last date whose rules are published: what is computed for a later one is provisional.
    `by` and `on` name the person who confirmed the date asked for, and when; empty where nobody did.
    """

    through: TradingDate
    by: str = ""
    on: str = ""


class TradeCosts(Frozen):
    """What buying and selling a share of one market costs on one trading date, and its ticks by venue.

    Every amount is a whole number of won; commissions and both taxes are floored separately. An
    amount is that of one order: a broker that rounds each execution charges at most as much.
    """

    trading_date: TradingDate
    market: Market
    commission: CommissionRates
    transaction_tax_rate: Rate
    rural_tax_rate: Rate
    krx_ticks: TickGrid = SHARE_TICKS
    nxt_ticks: TickGrid = SHARE_TICKS
    checked: Checked | None = None
    """None where nobody said: an example, or a reader older than this field."""

    @property
    def provisional(self) -> bool:
        """Whether the rates are the last known ones and not those of `trading_date`."""
        return self.checked is not None and self.trading_date > self.checked.through

    def ticks(self, venue: Venue) -> TickGrid:
        """The price grid of one venue."""
        return self.krx_ticks if venue is Venue.KRX else self.nxt_ticks

    def commission_krw(self, venue: Venue, amount_krw: int) -> int:
        unit = self.commission.truncate_to_krw
        return floor_share_krw(amount_krw, self.commission.rate(venue)) // unit * unit

    def sell_tax_krw(self, amount_krw: int) -> int:
        """Transaction tax plus rural special tax of a sale; the same on either venue (market rules 3.1)."""
        return floor_share_krw(amount_krw, self.transaction_tax_rate) + floor_share_krw(
            amount_krw, self.rural_tax_rate
        )

    def buy_outlay_krw(self, venue: Venue, amount_krw: int) -> int:
        """Cash that leaves the account when shares worth `amount_krw` are bought."""
        return amount_krw + self.commission_krw(venue, amount_krw)

    def sell_proceeds_krw(self, venue: Venue, amount_krw: int) -> int:
        """Cash that reaches the account when shares worth `amount_krw` are sold."""
        return amount_krw - self.commission_krw(venue, amount_krw) - self.sell_tax_krw(amount_krw)

    def round_trip_krw(
        self, buy_venue: Venue, buy_amount_krw: int, sell_venue: Venue, sell_amount_krw: int
    ) -> int:
        """All charges of a purchase and a sale together."""
        return (
            self.commission_krw(buy_venue, buy_amount_krw)
            + self.commission_krw(sell_venue, sell_amount_krw)
            + self.sell_tax_krw(sell_amount_krw)
        )

    def net_krw(self, buy_venue: Venue, buy_amount_krw: int, sell_venue: Venue, sell_amount_krw: int) -> int:
        """Profit or loss of a purchase and a sale after every charge."""
        return self.sell_proceeds_krw(sell_venue, sell_amount_krw) - self.buy_outlay_krw(
            buy_venue, buy_amount_krw
        )

    def break_even_sell_price_krw(
        self, buy_venue: Venue, buy_price_krw: int, sell_venue: Venue, qty_shares: int
    ) -> int:
        """The lowest price on the tick grid at which selling what was bought loses nothing.

        Raises ValueError where price or quantity is not positive.
        """
        if buy_price_krw <= 0 or qty_shares <= 0:
            raise ValueError(f"price {buy_price_krw} KRW and quantity {qty_shares} must be positive")
        bought_krw = buy_price_krw * qty_shares
        price_krw = self._price_below_break_even_krw(buy_venue, bought_krw, sell_venue, qty_shares)
        ticks = self.ticks(sell_venue)
        price_krw = ticks.snap_up(price_krw)
        while self.net_krw(buy_venue, bought_krw, sell_venue, price_krw * qty_shares) < 0:
            price_krw += ticks.size(price_krw)
        return price_krw

    def _price_below_break_even_krw(
        self, buy_venue: Venue, bought_krw: int, sell_venue: Venue, qty_shares: int
    ) -> int:
        """A price no break-even can lie under: flooring spares a sale at most one unit per charge."""
        kept = 1 - self.commission.rate(sell_venue) - self.transaction_tax_rate - self.rural_tax_rate
        spared_krw = self.commission.truncate_to_krw + 2
        outlay_krw = self.buy_outlay_krw(buy_venue, bought_krw)
        lowest_krw = (outlay_krw - spared_krw) / (kept * qty_shares)
        return max(1, int(lowest_krw.to_integral_value(ROUND_FLOOR)))


def floor_share_krw(amount_krw: int, rate: Decimal) -> int:
    """`amount_krw` times `rate`, fractions of a won dropped. Raises ValueError for a negative amount."""
    if amount_krw < 0:
        raise ValueError(f"an amount is not negative: {amount_krw} KRW")
    return int((amount_krw * rate).to_integral_value(ROUND_FLOOR))
