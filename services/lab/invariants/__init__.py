"""What must hold of every day, whoever recorded it.

    for breach in breaches(record): print(breach)

An invariant is a pure function from a record to its breaches and names the facts that it needs. It never asks
what a service believes except to compare it with the truth.
"""

from services.lab.breach import Breach, Invariant
from services.lab.invariants.account import (
    account_adds_up,
    closings_follow,
    money_to_the_won,
    our_books_are_the_brokers,
)
from services.lab.invariants.closing import everything_closes
from services.lab.invariants.conduct import (
    exits_have_room,
    no_entry_after_a_stop,
    nothing_failed,
    only_in_the_windows,
    within_the_brokers_rates,
)
from services.lab.invariants.decisions import decisions_recompute
from services.lab.invariants.observed import nothing_slips_through, told_as_it_is
from services.lab.invariants.orders import (
    at_most_once,
    exposure_within_limits,
    never_oversold,
    own_orders_never_meet,
    prices_on_the_grid,
    within_what_was_decided,
)
from services.lab.invariants.worth import no_cross_is_missed, something_was_traded
from services.lab.record import Record

INVARIANTS: tuple[Invariant, ...] = (
    at_most_once,
    never_oversold,
    exposure_within_limits,
    no_entry_after_a_stop,
    our_books_are_the_brokers,
    everything_closes,
    money_to_the_won,
    within_the_brokers_rates,
    exits_have_room,
    only_in_the_windows,
    own_orders_never_meet,
    within_what_was_decided,
    nothing_slips_through,
    told_as_it_is,
    decisions_recompute,
    no_cross_is_missed,
    something_was_traded,
    account_adds_up,
    closings_follow,
    prices_on_the_grid,
    nothing_failed,
)


def breaches(record: Record) -> list[Breach]:
    """Return every breach of every invariant that the record's facts allow to judge."""
    return [breach for invariant in INVARIANTS for breach in invariant(record)]


def violations(record: Record) -> list[str]:
    """Return the breaches as sentences, each with its code before it."""
    return [str(breach) for breach in breaches(record)]
