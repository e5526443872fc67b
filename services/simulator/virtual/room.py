"""The order budget as the broker sees it: what was sent in its second, and which first sells are to come.

What a gateway must keep room for is told without asking it: a clip whose buy is on its way, works, or has
filled, and of which no sell has been sent.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.contracts.ids import leg_of
from services.contracts.limits import NS_PER_S
from services.contracts.terms import Side, Venue
from services.simulator.orders import Order

ON_ITS_WAY_NS = NS_PER_S
"""A buy that has not arrived by then may never arrive."""


@dataclass(slots=True)
class _Buy:
    """The buy of a clip of which no sell has been sent."""

    order_id: str
    venue: Venue
    left_ns: int = 0
    order: Order | None = None

    def may_sell(self, now_ns: int, due_ns: int) -> bool:
        if self.order is None:
            return self.left_ns > 0 and now_ns - self.left_ns <= ON_ITS_WAY_NS
        filled_ns = self.order.fills[-1].ts_ns if self.order.fills else 0
        return self.order.is_open or now_ns - filled_ns <= due_ns


@dataclass(slots=True)
class Room:
    """Fed with each SendOrder and with the broker's new orders."""

    _left_ns: deque[int] = field(default_factory=deque)
    _unsold: dict[str, _Buy] = field(default_factory=dict)
    """By clip."""

    def sending(self, order_id: str, venue: Venue) -> None:
        """A new order is about to be sent."""
        clip, side, _ = leg_of(order_id) or ("", Side.SELL, 0)
        if side is Side.BUY:
            self._unsold[clip] = _Buy(order_id, venue)
        else:
            self._unsold.pop(clip, None)

    def left(self, order_id: str, now_ns: int) -> None:
        """An order, or the change of one, may have left."""
        self._left_ns.append(now_ns)
        for buy in self._unsold.values():
            if buy.order_id == order_id:
                buy.left_ns = now_ns

    def arrived(self, order: Order) -> None:
        """The broker has taken an order."""
        for buy in self._unsold.values():
            if buy.order_id == order.request.rqname:
                buy.order = order

    def refused(self, order_id: str) -> None:
        """The broker has refused an order: of a buy nothing is to be sold."""
        self._unsold = {clip: buy for clip, buy in self._unsold.items() if buy.order_id != order_id}

    def calls(self, now_ns: int) -> int:
        """Return how many have left in the broker's second that ends now."""
        while self._left_ns and self._left_ns[0] < now_ns - NS_PER_S:
            self._left_ns.popleft()
        return len(self._left_ns)

    def unsold(self, now_ns: int, due_ns: int) -> Iterator[tuple[str, Venue]]:
        """Yield (order id, venue) of each buy whose first sell is due within `due_ns` of its last fill."""
        return ((b.order_id, b.venue) for b in self._unsold.values() if b.may_sell(now_ns, due_ns))
