"""Holdings of the account against the day's fills: what explains what."""

from collections.abc import Mapping

from services.contracts.terms import Side, Symbol
from services.gateway.order_table import OrderTable


def filled_shares(orders: OrderTable, side: Side) -> dict[Symbol, int]:
    """Return what our orders of the day have filled on one side, where that is not 0."""
    filled: dict[Symbol, int] = {}
    for record in (*orders.done.values(), *orders.working.values()):
        facts = record.facts
        if record.is_order and facts.side is side and facts.cum_qty_shares:
            filled[facts.symbol] = filled.get(facts.symbol, 0) + facts.cum_qty_shares
    return filled


def net_shares(orders: OrderTable) -> dict[Symbol, int]:
    """Return what the day's fills, ours and others', changed in each holding."""
    net: dict[Symbol, int] = {}
    for record in orders.done.values():
        if record.is_order:
            _add(net, record.facts.symbol, record.facts.side, record.facts.cum_qty_shares)
    for seen in orders.foreign.values():
        _add(net, seen.symbol, seen.side, seen.cum_qty_shares or 0)
    return net


def _add(net: dict[Symbol, int], symbol: Symbol, side: Side, qty_shares: int) -> None:
    net[symbol] = net.get(symbol, 0) + (qty_shares if side is Side.BUY else -qty_shares)


def less(held: Mapping[Symbol, int], net: Mapping[Symbol, int]) -> dict[Symbol, int]:
    """Return what is held beyond the net of the fills, where that is not 0."""
    symbols = {*held, *net}
    rest = {symbol: held.get(symbol, 0) - net.get(symbol, 0) for symbol in sorted(symbols)}
    return {symbol: qty for symbol, qty in rest.items() if qty}


def holding_differences(
    held: Mapping[Symbol, int], baseline: Mapping[Symbol, int], net: Mapping[Symbol, int]
) -> list[str]:
    """Return a sentence for each symbol whose holding our orders of the day do not explain."""
    return [
        f"{symbol}: the broker holds {held.get(symbol, 0)}, our fills make "
        f"{baseline.get(symbol, 0) + net.get(symbol, 0)}"
        for symbol in sorted(differing_symbols(held, baseline, net))
    ]


def differing_symbols(
    held: Mapping[Symbol, int], baseline: Mapping[Symbol, int], net: Mapping[Symbol, int]
) -> frozenset[Symbol]:
    """Return the symbols whose holding our orders of the day do not explain."""
    return frozenset(
        symbol
        for symbol in {*held, *baseline, *net}
        if held.get(symbol, 0) != baseline.get(symbol, 0) + net.get(symbol, 0)
    )
