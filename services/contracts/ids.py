"""Ids that derive from their cause.

Doing a thing again after a crash gives the same id, so that readers drop what they have
already seen. Nothing here draws a random number or reads a clock.
"""

from hashlib import blake2b

from services.contracts.terms import Side


def derive_id(*parts: str | int) -> str:
    """Return a 20-character id that is a function of `parts` alone (80 bits, hex)."""
    text = "\x1f".join(str(part) for part in parts)
    return blake2b(text.encode(), digest_size=10).hexdigest()


def pair_id_of(intent_id: str) -> str:
    """Return the id of the pair that an approved intent becomes."""
    return f"P{derive_id('pair', intent_id)[:12]}"


def order_id_of(pair_id: str, clip: int, side: Side, attempt: int) -> str:
    """Return the id of one order: pair, clip, leg and attempt, and nothing else (design, 4.1).

    >>> order_id_of("Pab12", 1, Side.SELL, 2)
    'Pab12.1.s.2'
    """
    return f"{pair_id}.{clip}.{side.value[0]}.{attempt}"


def leg_of(order_id: str) -> tuple[str, Side, int] | None:
    """Return (clip, side, attempt) of an order, None for an id that `order_id_of` did not make.

    >>> leg_of("Pab12.1.s.2")
    ('Pab12.1', <Side.SELL: 'sell'>, 2)
    """
    parts = order_id.split(".")
    sides = {side.value[0]: side for side in Side}
    if len(parts) != 4 or parts[2] not in sides or not parts[3].isdecimal():
        return None
    return f"{parts[0]}.{parts[1]}", sides[parts[2]], int(parts[3])
