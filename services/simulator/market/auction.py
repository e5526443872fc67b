"""A single-price auction: the price at which most shares change hands, and whose they are.

Everybody's orders count: what stands in the book, ours in their place in its queues, and orders without a
price. An imbalance of those moves the price away from the last one.
"""

from dataclasses import dataclass

from services.contracts.terms import Side
from services.simulator.market.book import Execution, VenueBook


@dataclass(frozen=True, slots=True)
class Print:
    """One print. `index` is its price on the ladder; `executions` are those of our orders."""

    index: int
    qty_shares: int
    executions: list[Execution]


def uncross(book: VenueBook, last: int, buy_shares: int, sell_shares: int) -> Print:
    """Match what stands in `book`, and `buy_shares` and `sell_shares` of others without a price.

    Among the prices at which most shares trade it is the one that leaves least over, then the nearest to
    `last`. Orders without a price go first, then by price, then by time; nobody passes those ahead of him.
    """
    index, volume = _price(book, last, buy_shares, sell_shares)
    executions: list[Execution] = []
    for side, flow in ((Side.BUY, buy_shares), (Side.SELL, sell_shares)):
        _fill(book, side, index, volume - min(volume, flow), executions)
    return Print(index, volume, executions)


def _price(book: VenueBook, last: int, buy_shares: int, sell_shares: int) -> tuple[int, int]:
    bids, asks = dict(book.depth(Side.BUY, 10**6)), dict(book.depth(Side.SELL, 10**6))
    best: tuple[int, int, int] | None = None
    found = (last, 0)
    for index in sorted({last, *bids, *asks}):
        wanted = buy_shares + sum(qty for at, qty in bids.items() if at >= index)
        offered = sell_shares + sum(qty for at, qty in asks.items() if at <= index)
        volume = min(wanted, offered)
        rank = (-volume, abs(wanted - offered), abs(index - last))
        if best is None or rank < best:
            best, found = rank, (index, volume)
    return found


def _fill(book: VenueBook, side: Side, price: int, volume: int, executions: list[Execution]) -> None:
    """Give `volume` shares to the orders of one side, all at `price`."""
    levels = book.bids if side is Side.BUY else book.asks
    ours = {order.index for order in book.own.values() if order.side is side}
    marketable = {at for at in (*levels, *ours) if (at >= price if side is Side.BUY else at <= price)}
    for at in sorted(marketable, reverse=side is Side.BUY):
        if volume <= 0:
            return
        for execution in book.take_level(side, at, volume):
            volume -= execution.qty_shares
            if execution.maker is not None:
                executions.append(Execution(price, execution.qty_shares, execution.maker))
