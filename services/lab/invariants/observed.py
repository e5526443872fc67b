"""What somebody saw who was there in every step of a day."""

from collections.abc import Iterator

from services.lab.breach import Fact, Found, invariant
from services.lab.record import Record


@invariant("I14", Fact.OBSERVED)
def told_as_it_is(day: Record) -> Iterator[Found]:
    """In every step what the gateway tells of an order is the broker's, and risk's money and trips are the
    account's once it has heard all."""
    yield from day.untrue


@invariant("I15", Fact.OBSERVED)
def nothing_slips_through(day: Record) -> Iterator[Found]:
    """What passes the last gate, or risk, would not pass with any one thing wrong that forbids it."""
    yield from day.let_through
