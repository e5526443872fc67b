"""Which codes are registered on which screen, and whose turn it is when there are too many.

KRX codes and `_NX` codes share no screen unless the settings say so (whether one call may mix them is not
known, Kiwoom sheet 4.2), a screen holds at most 100. Registrations stand still around the open, and a symbol
with an open pair keeps its feed.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from services.contracts.limits import CODES_PER_SCREEN, NS_PER_S
from services.contracts.terms import Symbol, Venue
from services.gateway.screens import krx_screen, nxt_screen
from services.market.symbols import feed_code

REGISTER_AGAIN_NS: Final = 5 * NS_PER_S
REGISTER_LATEST_NS: Final = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Registration:
    """One screen's codes, complete: registering replaces what the screen had."""

    screen: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """When (Redis time, ns) a screen that was refused is asked for again, after which pause."""

    pause_ns: int = REGISTER_AGAIN_NS
    again_ns: int = 0

    def asked(self, now_ns: int) -> "Refused":
        """Return it as asked for now: the next pause is twice as long, up to a minute."""
        return Refused(min(2 * self.pause_ns, REGISTER_LATEST_NS), now_ns + self.pause_ns)


@dataclass(frozen=True, slots=True)
class Unheard:
    """A registered code of which no frame has come since `since_ns` (Redis time), and when it is registered
    again: SetRealReg returns 0 for such a code too (Kiwoom sheet 5.2)."""

    since_ns: int
    again: Refused

    @classmethod
    def noticed(cls, now_ns: int, pause_ns: int) -> "Unheard":
        """Return a code that is registered again after `pause_ns`."""
        return cls(now_ns, Refused(pause_ns).asked(now_ns))


def chosen(symbols: Sequence[Symbol], limit: int, turn: int, held: AbstractSet[Symbol]) -> tuple[Symbol, ...]:
    """Return up to `limit` symbols: all of them if they fit, else those held and a turning rest."""
    if len(symbols) <= limit:
        return tuple(symbols)
    kept = [symbol for symbol in symbols if symbol in held][:limit]
    rest = [symbol for symbol in symbols if symbol not in held]
    room = limit - len(kept)
    start = turn * room % len(rest) if rest and room else 0
    turned = [*rest[start:], *rest[:start]][:room]
    wanted = {*kept, *turned}
    return tuple(symbol for symbol in symbols if symbol in wanted)


def plan(
    symbols: Sequence[Symbol], nxt_symbols: AbstractSet[Symbol],
    per_screen: int = CODES_PER_SCREEN, *, mixed: bool = False,
) -> tuple[Registration, ...]:  # fmt: skip
    """Return the screens for these symbols; those NXT does not trade are registered on KRX only.

    With `mixed` the codes of both venues share screens, else each venue has its own.
    """
    krx = [feed_code(symbol, Venue.KRX) for symbol in symbols]
    nxt = [feed_code(symbol, Venue.NXT) for symbol in symbols if symbol in nxt_symbols]
    if mixed:
        krx, nxt = [*krx, *nxt], []
    return (
        *(Registration(krx_screen(page), codes) for page, codes in enumerate(_pages(krx, per_screen))),
        *(Registration(nxt_screen(page), codes) for page, codes in enumerate(_pages(nxt, per_screen))),
    )


def changes(
    old: Sequence[Registration], new: Sequence[Registration]
) -> tuple[tuple[str, ...], tuple[Registration, ...]]:
    """Return (screens to drop, screens to register) that lead from one plan to another."""
    dropped = {item.screen for item in old} - {item.screen for item in new}
    return tuple(sorted(dropped)), tuple(item for item in new if item not in old)


def _pages(codes: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(codes[at : at + size]) for at in range(0, len(codes), size)]
