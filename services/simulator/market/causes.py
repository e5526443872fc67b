"""Why the venues cross, and how prices move: what happens next, drawn before anything of it happens.

Every draw is made when the event is scheduled, from the generator of its own agent, and whatever the
books hold. So nothing that our orders do changes what comes.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import exp
from random import Random

from services.contracts.terms import Venue
from services.simulator.market.presets import MarketPreset

MS = 1_000_000
ANSWERS = 6
"""How many trades of one cross can be answered by makers: more have not been seen to matter (assumed)."""


class Cause(StrEnum):
    """Why a cross exists (the market's own word for its three kinds)."""

    CONTESTED = "contested"
    """One venue moved first; professionals race for the other's stale quotes."""
    SMALL = "small"
    """A small order that nobody else wants."""
    FLOW = "flow"
    """One-sided flow that comes again after it was taken."""


@dataclass(frozen=True, slots=True)
class Reactions:
    """What others do about a move or a cross. Times in ns from its beginning."""

    taker_ns: int
    maker_ns: int
    answers: tuple[tuple[float, int], ...] = ()
    """For one trade after the other: a chance, and how long the makers of the rich venue take to answer."""


@dataclass(frozen=True, slots=True)
class Move:
    """`leader` moves first, up or down, by one tick or by as much as makes a cross of `cross_bps`."""

    leader: Venue
    up: bool
    reactions: Reactions
    sizes: float
    """A chance from which the shares of the new quotes follow."""
    cross_bps: int | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody's order on `venue` that crosses the other: its bid there is rich, or its ask is cheap."""

    cause: Cause
    venue: Venue
    rich: bool
    cross_bps: int
    shares: int
    stay_ns: int
    reactions: Reactions
    sizes: float
    refills_ns: tuple[int, ...] = ()
    """When it comes again, from the beginning."""


@dataclass(frozen=True, slots=True)
class Burst:
    """One symbol's part in a move of the whole market."""

    reached: bool
    share: float
    """How much of the market's cross it has, from 0.5 to 1.5."""
    delay_ns: int
    move: Move


def _lognormal_ns(rng: Random, median_ms: int, sigma: float, bounds_ms: tuple[int, int]) -> int:
    ms = median_ms * exp(rng.gauss(0.0, sigma))
    return int(min(max(ms, bounds_ms[0]), bounds_ms[1]) * MS)


def reactions(rng: Random, preset: MarketPreset, answers: int = 0) -> Reactions:
    """What professionals and makers do about one event."""
    bounds = preset.reaction_ms
    taker_ns = _lognormal_ns(rng, preset.taker_ms, preset.taker_sigma, bounds)
    maker_ns = _lognormal_ns(rng, preset.maker_ms, preset.maker_sigma, bounds)
    maker = preset.maker_ms, preset.maker_sigma, bounds
    answered = tuple((rng.random(), _lognormal_ns(rng, *maker)) for _ in range(answers))
    return Reactions(taker_ns, maker_ns, answered)


def cross_bps(rng: Random, preset: MarketPreset) -> int:
    """How far the rich bid stands above the cheap ask."""
    return preset.least_cross_bps + int(rng.expovariate(1 / preset.mean_excess_bps))


def move(rng: Random, preset: MarketPreset, up: bool, size_bps: int | None = None) -> Move:
    """One venue moves first."""
    leader = Venue.KRX if rng.random() < preset.krx_leads_rate else Venue.NXT
    answers = 0 if size_bps is None else ANSWERS
    return Move(leader, up, reactions(rng, preset, answers), rng.random(), size_bps)


def next_way(rng: Random, preset: MarketPreset, up: bool) -> bool:
    """Whether the sudden move after one that went `up`, or down, goes up."""
    return up is not (rng.random() < preset.reverts_rate)


def own_cross(rng: Random, preset: MarketPreset, up: bool) -> Move | Visit:
    """A cross of one symbol alone: of the three causes, without the share that moves of the market bring.

    A move goes `up` or down; on which side somebody's order crosses is its own chance.
    """
    contested = preset.contested_share * (1 - preset.burst_share)
    chance = rng.random() * (contested + preset.small_share + preset.flow_share)
    size_bps, rich = cross_bps(rng, preset), rng.random() < 0.5
    if chance < contested:
        return move(rng, preset, up, size_bps)
    cause = Cause.SMALL if chance < contested + preset.small_share else Cause.FLOW
    venue = Venue.NXT if rng.random() < preset.krx_leads_rate else Venue.KRX
    small = cause is Cause.SMALL
    shares = rng.randint(*(preset.small_shares if small else preset.flow_shares))
    stay_ns = rng.randint(*(preset.small_ms if small else preset.flow_ms)) * MS
    count = 0 if small else rng.randint(*preset.flow_refills)
    refills_ns = tuple(sorted(int(stay_ns * rng.random()) for _ in range(count)))
    race = reactions(rng, preset, ANSWERS)
    return Visit(cause, venue, rich, size_bps, shares, stay_ns, race, rng.random(), refills_ns)


def burst(rng: Random, preset: MarketPreset, up: bool, size_bps: int) -> Burst:
    """What a move of the market is for one symbol."""
    reached, share = rng.random() < preset.burst_hit_rate, 0.5 + rng.random()
    delay_ns = rng.randint(*preset.burst_spread_ms) * MS
    return Burst(reached, share, delay_ns, move(rng, preset, up, max(1, int(size_bps * share))))


def own_rate(preset: MarketPreset, crosses_per_symbol_min: float) -> float:
    """Crosses of one symbol alone, per minute."""
    return crosses_per_symbol_min * (1 - preset.contested_share * preset.burst_share)


def burst_rate(preset: MarketPreset, crosses_per_symbol_min: float) -> float:
    """Moves of the market that make symbols cross, per minute."""
    return crosses_per_symbol_min * preset.contested_share * preset.burst_share / preset.burst_hit_rate
