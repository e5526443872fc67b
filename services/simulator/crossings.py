"""Crosses of two venues as they were and as a reader of their feeds saw them.

A *phantom* is a cross that was seen although the books were never crossed that way at one moment since the
older of the two frames left its venue: one book had moved on before the other came to where they cross.
"""

from dataclasses import dataclass, field

from services.contracts.terms import Venue

Best = tuple[int, int]
"""Best bid and best ask in KRW; 0 where there is none, or where the venue does not match continuously."""
NOTHING: Best = (0, 0)


@dataclass(slots=True)
class _Symbol:
    true: dict[Venue, Best] = field(default_factory=dict)
    seen: dict[Venue, Best] = field(default_factory=dict)
    left_ns: dict[Venue, int] = field(default_factory=dict)
    """When the frame that was last seen of a venue left it."""
    began_ns: dict[Venue, int] = field(default_factory=dict)
    """By the venue of the rich bid, since when the true books are crossed."""
    ended_ns: dict[Venue, int] = field(default_factory=dict)
    """When the last cross that lasted ended."""
    seen_crossed: set[Venue] = field(default_factory=set)


@dataclass(slots=True)
class Crossings:
    """Counts crosses seen and phantoms among them; a cross that goes on counts once."""

    seen: int = 0
    phantoms: int = 0
    _symbols: dict[str, _Symbol] = field(default_factory=dict)

    def moved(self, code: str, venue: Venue, best: Best, now_ns: int) -> None:
        """The true book of a venue has changed."""
        symbol = self._symbols.setdefault(code, _Symbol())
        if symbol.true.get(venue) == best:
            return
        symbol.true[venue] = best
        for rich in Venue:
            if _crossed(symbol.true, rich):
                symbol.began_ns.setdefault(rich, now_ns)
            elif symbol.began_ns.pop(rich, now_ns) < now_ns:
                symbol.ended_ns[rich] = now_ns

    def arrived(self, code: str, venue: Venue, best: Best, left_ns: int, now_ns: int) -> None:
        """A frame of a venue's book has come that left at `left_ns`."""
        symbol = self._symbols.setdefault(code, _Symbol())
        symbol.seen[venue], symbol.left_ns[venue] = best, left_ns
        for rich in Venue:
            if not _crossed(symbol.seen, rich):
                symbol.seen_crossed.discard(rich)
            elif rich not in symbol.seen_crossed:
                symbol.seen_crossed.add(rich)
                self.seen += 1
                since_ns = min(symbol.left_ns.values())
                self.phantoms += rich not in symbol.began_ns and symbol.ended_ns.get(rich, -1) <= since_ns


def _crossed(books: dict[Venue, Best], rich: Venue) -> bool:
    bid_krw = books.get(rich, NOTHING)[0]
    ask_krw = books.get(rich.other, NOTHING)[1]
    return bool(bid_krw and ask_krw) and bid_krw > ask_krw
