"""An order that left the gateway, and what held at that moment by the world's own clock and books."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which prices an order may leave, KRW; 0 where nothing bounds it."""

    least_krw: int = 0
    most_krw: int = 0

    def allows(self, price_krw: int) -> bool:
        return price_krw >= self.least_krw and not 0 < self.most_krw < price_krw


@dataclass(frozen=True, slots=True)
class EntrySent:
    """An entry left the gateway: when, and what held at that moment by the world's own clock and books.

    `halted` and `armed` are the word that the streams had for a gateway that reads it (`Word`).
    `waited_ns` is since the gateway read its command. `calls` left in the broker's second before it, other
    pairs stand to make `owed` more for their first sells, and its own needs `sell_needs`. `expired_ns` is how
    long ago its command ended, `lease_beyond_ns` how much longer it takes the lease to hold than risk renewed
    it. `bounds` and `clip_shares` are what its pair was approved for, `market_ns` is the time of
    day on the gateway's clock, 0 where nobody knows it.
    """

    at_ns: int
    order_id: str
    halted: bool
    armed: bool
    lease_left_ns: int
    window_open: bool
    venue_continuous: bool
    waited_ns: int
    calls: int
    owed: int
    sell_needs: int
    expired_ns: int
    lease_beyond_ns: int
    price_krw: int
    bounds: Bounds
    qty_shares: int
    clip_shares: int
    market_ns: int = 0


@dataclass(frozen=True, slots=True)
class ExitSent:
    """A sell left the gateway: `free_shares` is what its pair had bought and not yet sold or put on sale, by
    the broker's books; `by_person` whether somebody had ordered its symbol to be flattened.
    `bounds` follow from the price of what was bought."""

    at_ns: int
    order_id: str
    halted: bool
    by_person: bool
    qty_shares: int
    free_shares: int
    expired_ns: int
    price_krw: int
    bounds: Bounds
