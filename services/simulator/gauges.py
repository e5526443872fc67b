"""What the simulated world shows at a scrape: the truth that the services' own figures are held against.

Read in the thread of the scrape while the world goes on: only whole values and copies are looked at.
"""

from collections.abc import Iterable

from services.contracts.measures import simulator as m
from services.contracts.metric import Reading
from services.simulator.world import World


def readings(world: World) -> Iterable[Reading]:
    """Return the figures of the account and of the broker's limits."""
    orders, queries = world.broker.limit, world.openapi.limit
    yield m.CASH.at(world.account.cash_krw)
    yield m.HELD.at(sum(holding.qty_shares for holding in list(world.account.holdings.values())))
    yield m.IN_A_SECOND.at(orders.max_observed, "order")
    yield m.IN_A_SECOND.at(queries.max_observed, "query")
    yield m.REFUSED.at(orders.refused, "order")
    yield m.REFUSED.at(queries.refused, "query")
    yield m.CONNECTED.at(world.sessions.current is not None)
