"""What is in force: symbol map, costs, limits and threshold table, published together with one hash.

Two machines never read two files: risk reads the files, publishes this, and everyone
computes with the published copy. A decision names the hash it was made under.
"""

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from services.contracts.envelope import Part
from services.contracts.ids import derive_id
from services.contracts.reference import NXT_SUFFIX, SymbolEntry, TradeCosts
from services.contracts.terms import Market, MovedLast, Symbol, TradingDate, Venue
from services.contracts.threshold import SHIPPED_TABLE, PublishedTable, Threshold
from services.contracts.tick_grid import SHARE_TICKS, TickGrid
from services.contracts.trading_limits import PublishedLimits


class Reference(Part):
    """Symbol map, costs by listing market, limits and threshold table for one trading date."""

    trading_date: TradingDate
    symbols: tuple[SymbolEntry, ...]
    costs: dict[Market, TradeCosts]
    limits: PublishedLimits
    threshold: PublishedTable = SHIPPED_TABLE

    @property
    def hash(self) -> str:
        """A 20-character fingerprint of all of it."""
        return derive_id("reference", self.model_dump_json())

    @property
    def provisional(self) -> bool:
        """Whether any costs are the last known ones, because those of the date are not published."""
        return any(costs.provisional for costs in self.costs.values())

    def keeping(self, before: "Reference | None", symbols: Iterable[Symbol]) -> "Reference":
        """Return it with an entry and costs for each of `symbols`: what is held must be sold.

        What it does not list has the entry of `before`, switched off, and a market without costs those of
        `before`. A symbol that neither lists counts as a KOSPI share: the ticks are those of every share.
        """
        known, groups, held = before or self, [entry.group for entry in self.symbols], sorted(set(symbols))
        missing = [symbol for symbol in held if self.listed(symbol) is None] if groups else []
        kept = [entry for entry in (_kept(known.listed(s), s, groups) for s in missing) if entry is not None]
        markets = {entry.market for entry in (*self.symbols, *kept) if entry.krx_code in held}
        costs = {
            market: known.costs[market] for market in markets - self.costs.keys() if market in known.costs
        }
        if not (kept or costs):
            return self
        return self.model_copy(update={"symbols": (*self.symbols, *kept), "costs": {**self.costs, **costs}})

    def entry(self, symbol: Symbol) -> SymbolEntry | None:
        """Return the enabled entry of a symbol, or None."""
        return next((item for item in self.symbols if item.krx_code == symbol and item.enabled), None)

    def listed(self, symbol: Symbol) -> SymbolEntry | None:
        """Return the entry of a symbol, enabled or not, or None."""
        return next((item for item in self.symbols if item.krx_code == symbol), None)

    def costs_of(self, symbol: Symbol) -> TradeCosts | None:
        """Return the costs of an enabled symbol's market, or None where either is unknown."""
        entry = self.entry(symbol)
        return None if entry is None else self.costs.get(entry.market)

    def exit_costs_of(self, symbol: Symbol) -> TradeCosts | None:
        """Return the costs of a symbol even where it is disabled: what is held must still be sold."""
        entry = self.listed(symbol)
        return None if entry is None else self.costs.get(entry.market)

    def ticks_of(self, symbol: Symbol, venue: Venue) -> TickGrid | None:
        """Return the price grid of a symbol on a venue, or None where its market is not known."""
        costs = self.exit_costs_of(symbol)
        return None if costs is None else costs.ticks(venue)

    def threshold_of(self, symbol: Symbol, moved_last: MovedLast) -> Threshold:
        """Return what a cross of a symbol has to reach, by the quote that moved last."""
        return self.threshold.row_of(symbol).at(moved_last)


def _kept(known: SymbolEntry | None, symbol: Symbol, groups: Sequence[str]) -> SymbolEntry | None:
    """Return the entry that a symbol is kept by, in a group that is still read; None for what is no code."""
    if known is not None:
        group = known.group if known.group in groups else groups[0]
        return known.model_copy(update={"enabled": False, "group": group})
    try:
        return SymbolEntry(
            krx_code=symbol, nxt_code=symbol + NXT_SUFFIX, name=symbol, market=Market.KOSPI,
            group=groups[0], enabled=False,
        )  # fmt: skip
    except ValidationError:
        return None


def book_ticks(reference: Reference | None, symbol: Symbol, venue: Venue) -> TickGrid:
    """Return the price grid of a symbol's books; that of shares where its own is not known.

    A fund's book mostly lies off the grid of shares, so it is refused until the fund is known as one.
    """
    if reference is None or not any(market.is_fund for market in reference.costs):
        return SHARE_TICKS
    return reference.ticks_of(symbol, venue) or SHARE_TICKS
