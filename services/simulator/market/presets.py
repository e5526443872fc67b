"""How contested crosses are: the presets gentle, fair and harsh, each parameter with its reason.

No public measurement of crosses between KRX and NXT was found. What is *assumed* holds until recorded
days replace it. Times are in ms of wall time, sizes in basis points of the price, rates from 0.0 to 1.0.
"""

from dataclasses import dataclass, fields
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class MarketPreset:
    """Who stands behind a cross, how soon it is taken, and who answers a trade."""

    contested_share: float
    small_share: float
    flow_share: float
    crosses_per_symbol_min: float
    burst_share: float
    burst_hit_rate: float
    burst_spread_ms: tuple[int, int]
    krx_leads_rate: float
    reverts_rate: float
    least_cross_bps: int
    mean_excess_bps: int
    taker_ms: int
    taker_sigma: float
    maker_ms: int
    maker_sigma: float
    reaction_ms: tuple[int, int]
    dealer_cost_bps: int
    small_shares: tuple[int, int]
    small_ms: tuple[int, int]
    flow_shares: tuple[int, int]
    flow_ms: tuple[int, int]
    flow_refills: tuple[int, int]
    pull_rate: float


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row of the table: the value in each preset, and why."""

    name: str
    gentle: Any
    fair: Any
    harsh: Any
    why: str


def _same(name: str, value: Any, why: str) -> Parameter:
    return Parameter(name, value, value, value, why)


TABLE: Final = (
    Parameter(
        "contested_share",
        0.20,
        0.60,
        0.90,
        "assumed: crosses in which one venue moved first and professionals race for the stale quotes",
    ),
    Parameter(
        "small_share",
        0.40,
        0.25,
        0.10,
        "assumed: a small order that crosses the other venue and is worth no professional's while",
    ),
    Parameter(
        "flow_share",
        0.40,
        0.15,
        0.00,
        "assumed: one-sided flow on one venue that comes again after it was taken",
    ),
    _same("crosses_per_symbol_min", 1.0, "assumed: the preset's own rate, per minute in which both match"),
    _same("burst_share", 0.5, "assumed: half of the contested crosses come from the market as a whole"),
    _same("burst_hit_rate", 0.6, "assumed: the part of the symbols that a move of the market reaches"),
    _same("burst_spread_ms", (0, 400), "assumed: how far apart symbols follow one move of the market"),
    _same("krx_leads_rate", 0.7, "assumed: KRX has most of the volume, so prices move there first"),
    _same("reverts_rate", 0.7, "assumed: a sudden move is more often undone by the next one than followed"),
    _same("least_cross_bps", 15, "assumed: smaller ones lie far below break-even (23 bps)"),
    _same("mean_excess_bps", 10, "assumed: what a cross has above the least, exponential"),
    _same("taker_ms", 60, "assumed: median way of a professional's order to the stale venue, lognormal"),
    _same("taker_sigma", 0.4, "assumed: two thirds arrive within 40 to 90 ms"),
    _same("maker_ms", 100, "assumed: median from a move to the stale maker's new quotes, lognormal"),
    _same("maker_sigma", 0.3, "assumed: two thirds arrive within 75 to 135 ms"),
    _same("reaction_ms", (20, 150), "assumed: within this a contested cross is gone"),
    _same("dealer_cost_bps", 3, "a dealer pays no tax on a sale but 2 x 0.36 bps; the rest assumed"),
    _same("small_shares", (1, 20), "assumed: the orders of private persons"),
    _same("small_ms", (1_000, 5_000), "assumed: how long such an order stands before it is taken back"),
    _same("flow_shares", (10, 100), "assumed: what one-sided flow shows at a time"),
    _same("flow_ms", (5_000, 20_000), "assumed: how long it lasts"),
    _same("flow_refills", (3, 10), "assumed: how often it comes again meanwhile"),
    Parameter(
        "pull_rate",
        0.05,
        0.10,
        0.15,
        "assumed: how often the rich bid is taken away when a trade prints on the cheap venue",
    ),
)


def preset(name: str) -> MarketPreset:
    """Return a preset of the table. Raises ValueError where it has no such name."""
    if name not in MARKET_PRESETS:
        raise ValueError(f"no market preset {name!r}; known are {', '.join(MARKET_PRESETS)}")
    return MARKET_PRESETS[name]


def _preset(name: str) -> MarketPreset:
    values = {row.name: getattr(row, name) for row in TABLE}
    return MarketPreset(**{field.name: values[field.name] for field in fields(MarketPreset)})


MARKET_PRESETS: Final = {name: _preset(name) for name in ("gentle", "fair", "harsh")}
