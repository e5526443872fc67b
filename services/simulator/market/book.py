"""One venue's book of one symbol: background liquidity by level, and our resting orders in its queues.

Invariants: a share of a level is traded once; our orders wait behind the background shares that
stood there when they came (price, then time); an order never fills beyond what it asked for; while
matching, the book is never crossed or locked by what this module did. Prices are ladder indices.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from services.contracts.terms import Side


@dataclass(slots=True)
class Resting:
    """Our order in a queue. `ahead_shares` of background stand before it at its price."""

    order_no: int
    side: Side
    index: int
    remaining_shares: int
    ahead_shares: int
    seq: int
    market: bool = False
    """A market order that waits for an auction; what its print leaves of it does not rest."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """Our order on arrival. `limit` is the last index it trades at; `whole`: all or none (FOK)."""

    order_no: int
    side: Side
    limit: int
    qty_shares: int
    rests: bool = True
    whole: bool = False
    market: bool = False


@dataclass(frozen=True, slots=True)
class Execution:
    """A trade at one price. `maker` is our resting order that traded, None for background."""

    index: int
    qty_shares: int
    maker: int | None


class VenueBook:
    """Quantities by ladder index; `own` holds our orders by order number."""

    __slots__ = ("_seq", "asks", "bids", "own")

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.own: dict[int, Resting] = {}
        self._seq = 0

    # -- reading ---------------------------------------------------------------

    def best(self, side: Side) -> int | None:
        """The best index on the given side of the book (BUY: highest bid), own orders included."""
        levels = self.bids if side is Side.BUY else self.asks
        indices = [index for index, qty in levels.items() if qty > 0]
        indices += [order.index for order in self.own.values() if order.side is side]
        if not indices:
            return None
        return max(indices) if side is Side.BUY else min(indices)

    def depth(self, side: Side, levels: int) -> list[tuple[int, int]]:
        """(index, shares) best first, own orders included, at most `levels` of them."""
        shown = {index: qty for index, qty in self._background(side).items() if qty > 0}
        for order in self.own.values():
            if order.side is side:
                shown[order.index] = shown.get(order.index, 0) + order.remaining_shares
        return sorted(shown.items(), reverse=side is Side.BUY)[:levels]

    def leave(self, side: Side, limit: int, shares: int) -> None:
        """Others take what an incoming order of `side` aims at, up to the index `limit`, but for so many
        shares at its worst prices."""
        levels = self._background(side.opposite)
        for index in list(self._levels_within(side.opposite, limit))[::-1]:
            if index in levels:
                levels[index] = min(levels[index], shares)
                shares -= levels[index]
                if not levels[index]:
                    del levels[index]

    def _background(self, side: Side) -> dict[int, int]:
        return self.bids if side is Side.BUY else self.asks

    def _queue(self, side: Side, index: int) -> list[Resting]:
        found = [order for order in self.own.values() if order.side is side and order.index == index]
        return sorted(found, key=lambda order: order.seq)

    # -- our orders ------------------------------------------------------------

    def rest(self, order_no: int, side: Side, index: int, qty_shares: int, market: bool = False) -> None:
        """Queue our order behind everything that stands at its price. Raises ValueError if it is there."""
        if order_no in self.own or qty_shares <= 0:
            raise ValueError(
                f"order {order_no} cannot rest: {qty_shares} shares, known {order_no in self.own}"
            )
        self._seq += 1
        ahead = self._background(side).get(index, 0)
        self.own[order_no] = Resting(order_no, side, index, qty_shares, ahead, self._seq, market)

    def withdraw(self, order_no: int, qty_shares: int | None = None) -> int:
        """Take shares (all by default) of our order off the book; returns how many were taken."""
        order = self.own.get(order_no)
        if order is None:
            return 0
        taken = order.remaining_shares if qty_shares is None else min(qty_shares, order.remaining_shares)
        order.remaining_shares -= taken
        if order.remaining_shares == 0:
            del self.own[order_no]
        return taken

    def take(self, side: Side, limit: int, qty_shares: int) -> list[Execution]:
        """Match an incoming order of `side` against the other side, up to the index `limit`.

        Returns the executions best price first. What is left is the caller's to rest or kill.
        """
        executions: list[Execution] = []
        for index in list(self._levels_within(side.opposite, limit)):
            if qty_shares <= 0:
                break
            for execution in self.take_level(side.opposite, index, qty_shares):
                executions.append(execution)
                qty_shares -= execution.qty_shares
        return executions

    def available(self, side: Side, limit: int) -> int:
        """Shares an incoming order of `side` could trade at once up to `limit`."""
        makers = side.opposite
        shares = 0
        for index in self._levels_within(makers, limit):
            shares += self._background(makers).get(index, 0)
            shares += sum(order.remaining_shares for order in self._queue(makers, index))
        return shares

    def _levels_within(self, makers: Side, limit: int) -> Iterator[int]:
        indices = {index for index, qty in self._background(makers).items() if qty > 0}
        indices.update(order.index for order in self.own.values() if order.side is makers)
        if makers is Side.SELL:
            return iter(sorted(index for index in indices if index <= limit))
        return iter(sorted((index for index in indices if index >= limit), reverse=True))

    def take_level(self, makers: Side, index: int, qty_shares: int) -> list[Execution]:
        """Match shares against one level of the side `makers`, in order of time."""
        levels = self._background(makers)
        background = levels.get(index, 0)
        executions: list[Execution] = []
        passed = 0  # background shares of this level traded so far
        for order in self._queue(makers, index):
            if qty_shares <= 0:
                break
            step = min(qty_shares, max(0, min(order.ahead_shares, background) - passed))
            qty_shares, passed = qty_shares - step, passed + step
            fill = min(qty_shares, order.remaining_shares)
            if fill > 0:
                self.withdraw(order.order_no, fill)
                executions.append(Execution(index, fill, order.order_no))
                qty_shares -= fill
        step = min(qty_shares, background - passed)
        passed += step
        if passed:
            executions.append(Execution(index, passed, None))
            levels[index] = background - passed
            if levels[index] == 0:
                del levels[index]
        for order in self._queue(makers, index):
            order.ahead_shares = max(0, order.ahead_shares - passed)
        return executions

    # -- background flow -------------------------------------------------------

    def reshape(
        self, bids: dict[int, int], asks: dict[int, int], matching: bool, resumes: bool = False
    ) -> list[Execution]:
        """Replace the background. Where it now crosses our resting orders, it trades with them first.

        Returns the executions against our orders: at our price, because ours stood there first, or
        at theirs when matching `resumes` after an auction. Shares that leave a level leave from
        before our order as well as from behind it: our queue position never gets worse.
        """
        self.bids, self.asks = bids, asks
        executions: list[Execution] = []
        if self.own:
            if matching:
                executions = self._meet(Side.SELL, resumes) + self._meet(Side.BUY, resumes)
            for order in self.own.values():
                order.ahead_shares = min(order.ahead_shares, self._background(order.side).get(order.index, 0))
        return executions

    def _meet(self, makers: Side, at_their_price: bool) -> list[Execution]:
        """Let background of the other side that crosses our resting orders fill them."""
        takers = self._background(makers.opposite)
        ours = sorted(
            (order for order in self.own.values() if order.side is makers),
            key=lambda order: (order.index if makers is Side.SELL else -order.index, order.seq),
        )
        executions: list[Execution] = []
        for order in ours:
            crossing = [i for i in takers if (i >= order.index if makers is Side.SELL else i <= order.index)]
            for index in sorted(crossing, reverse=makers is Side.SELL):
                fill = min(order.remaining_shares, takers[index])
                if fill <= 0:
                    continue
                takers[index] -= fill
                if takers[index] == 0:
                    del takers[index]
                self.withdraw(order.order_no, fill)
                executions.append(Execution(index if at_their_price else order.index, fill, order.order_no))
                if order.remaining_shares == 0:
                    break
        return executions

    def uncross(self, index: int, buy_shares: int, sell_shares: int) -> list[Execution]:
        """A single-price print at `index`: our orders at that price or better trade there.

        `buy_shares` and `sell_shares` bound what our buys and our sells may get. Time priority
        follows price priority. Returns the executions of our orders, all at `index`.
        """
        executions: list[Execution] = []
        for side, offered in ((Side.BUY, buy_shares), (Side.SELL, sell_shares)):
            ours = sorted(
                (order for order in self.own.values() if order.side is side),
                key=lambda order: (-order.index if order.side is Side.BUY else order.index, order.seq),
            )
            for order in ours:
                marketable = order.index >= index if side is Side.BUY else order.index <= index
                fill = min(order.remaining_shares, offered) if marketable else 0
                if fill > 0:
                    offered -= fill
                    self.withdraw(order.order_no, fill)
                    executions.append(Execution(index, fill, order.order_no))
        return executions
