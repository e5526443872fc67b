"""Independent random numbers by name: what one agent draws changes nothing of what another draws."""

from random import Random


def stream(seed: int, *names: str) -> Random:
    """Return the generator of one agent, for example `stream(7, "005930", "NXT", "makers")`.

    The same seed and names give the same numbers on every machine.
    """
    return Random("/".join((str(seed), *names)))
