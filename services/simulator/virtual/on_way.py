"""Orders between the gateway and the broker's books: they are in no book, and what they may do counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.contracts.terms import Side, Venue


@dataclass(frozen=True, slots=True)
class Going:
    """A new order that may have left."""

    order_id: str
    pair_id: str
    code: str
    venue: Venue
    side: Side
    qty_shares: int
    price_krw: int

    @property
    def amount_krw(self) -> int:
        return self.price_krw * self.qty_shares


@dataclass(slots=True)
class OnWay:
    """From the moment at which SendOrder came back until the order comes in, or is told as never arrived."""

    _sending: Going | None = None
    _gone: dict[str, Going] = field(default_factory=dict)

    def sending(self, order_id: str, facts: Mapping[str, Any]) -> None:
        """A new order is about to be sent."""
        self._sending = Going(
            order_id, facts["pair_id"], facts["symbol"], Venue(facts["venue"]), Side(facts["side"]),
            facts["qty_shares"], facts["price_krw"],
        )  # fmt: skip

    def left(self, order_id: str) -> None:
        if self._sending is not None and self._sending.order_id == order_id:
            self._gone[order_id] = self._sending

    def over(self, order_id: str) -> None:
        self._gone.pop(order_id, None)

    def __iter__(self) -> Iterator[Going]:
        return iter(self._gone.values())

    def for_sale(self, pair_id: str) -> int:
        """Return how many shares of a pair are on their way to be sold."""
        return sum(g.qty_shares for g in self if g.pair_id == pair_id and g.side is Side.SELL)
