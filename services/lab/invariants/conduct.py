"""How the desk behaves towards the broker, the hours and its own stops."""

import datetime as dt
from collections.abc import Iterator

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import ENTRY_WAIT_MS, NS_PER_MS, NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.dead import EntryBuried
from services.lab import rules
from services.lab.breach import Fact, Found, invariant
from services.lab.record import Record


@invariant("I4", Fact.SENDS)
def no_entry_after_a_stop(day: Record) -> Iterator[Found]:
    """After a stop at any step, no later entry order; none without a lease; in a halt nothing is sold but by
    a person."""
    for sent in day.entries:
        if sent.halted:
            yield sent.at_ns, f"{sent.order_id} was sent in a halt"
        if not sent.armed:
            yield sent.at_ns, f"{sent.order_id} was sent while not armed"
        if sent.lease_beyond_ns > 0:
            beyond_ms = sent.lease_beyond_ns // NS_PER_MS
            yield sent.at_ns, f"{sent.order_id} was sent on a lease held {beyond_ms} ms beyond its renewal"
        if sent.lease_left_ns < 0:
            yield (
                sent.at_ns,
                f"{sent.order_id} was sent {-sent.lease_left_ns // NS_PER_MS} ms after the lease",
            )
    for sold in day.exits:
        if sold.halted and not sold.by_person:
            yield sold.at_ns, f"{sold.order_id} was sold in a halt"


@invariant("I8", Fact.BROKER)
def within_the_brokers_rates(day: Record) -> Iterator[Found]:
    """Never more than 5 orders, nor 5 queries, in any sliding second at the broker."""
    books = day.truth
    for what, refused in (("orders", books.orders_refused), ("queries", books.queries_refused)):
        if refused:
            yield f"the broker refused {refused} {what} for their rate"
    for at_ns, order_id in day.rushed:
        yield at_ns, f"{order_id} was sent into a full second"
    if books.max_orders_per_s > rules.ORDERS_PER_S:
        yield f"{books.max_orders_per_s} orders in one second"
    if books.max_queries_per_s > rules.QUERIES_PER_S:
        yield f"{books.max_queries_per_s} queries in one second"


@invariant("I12", Fact.SENDS)
def exits_have_room(day: Record) -> Iterator[Found]:
    """An entry leaves only where its own first sell, and those of other pairs, still fit into the broker's
    second, and never late."""
    for s in day.entries:
        if s.calls + s.owed + 1 + s.sell_needs > rules.ORDERS_PER_S:
            left = f"{s.calls} sent and {s.owed} owed"
            yield s.at_ns, f"{s.order_id} left with {left}, and its sell needs {s.sell_needs}"
        if s.waited_ns > ENTRY_WAIT_MS * NS_PER_MS:
            yield s.at_ns, f"{s.order_id} left {s.waited_ns // NS_PER_MS} ms after its arrival"


@invariant("I9", Fact.SENDS)
def only_in_the_windows(day: Record) -> Iterator[Found]:
    """No entry outside the windows, nor outside the hours of the sources; no entry order open across a
    pause."""
    for sent in day.entries:
        if not sent.window_open:
            yield sent.at_ns, f"{sent.order_id} was sent outside the window"
        if not sent.venue_continuous:
            yield sent.at_ns, f"{sent.order_id} was sent to a venue that paused"
        if day.trading_date and sent.market_ns:
            at = _time(sent.market_ns)
            if not rules.takes_entries(day.trading_date, at):
                yield sent.at_ns, f"{sent.order_id} was sent at {at}, when no pair may begin"
    for at_ns, order_id in day.left_over:
        yield at_ns, f"{order_id} was open across a pause"


def _time(market_ns: int) -> dt.time:
    seconds = market_ns // NS_PER_S
    return dt.time(seconds // 3_600 % 24, seconds // 60 % 60, seconds % 60)


@invariant("FAILED", Fact.MESSAGES)
def nothing_failed(day: Record) -> Iterator[Found]:
    """No process ends by a failure of its own, and no core raises: faults come from outside."""
    yield from day.failures
    for buried in day.ever(EntryBuried):
        yield f"{buried.service} could not handle {buried.stream_key}: {buried.reason}"
    for alert in day.ever(AlertRaised):
        if alert.code == AlertCode.GATEWAY_FAILED and not alert.resolved:
            yield "the gateway's core raised"
