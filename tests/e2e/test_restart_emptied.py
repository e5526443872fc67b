"""The gateway alone restarts over an emptied Redis, while the others go on from memory."""

from functools import partial

import pytest

from services.contracts.messages.control import LatchSet
from services.contracts.terms import Latch
from tests.support.live_desk import SLOW_BROKER, SYMBOLS, LiveDesk

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(150)]
DESK = partial(LiveDesk, latency=SLOW_BROKER)


def test_a_gateway_alone_begins_anew_and_those_who_went_on_take_its_books(desk: LiveDesk) -> None:
    """The others remember the number of the connection before; the gateway has nothing to remember it by."""
    desk.kill("gateway")
    desk.empty_redis()
    mark = desk.mark()
    desk.restart("gateway")
    desk.wait(LatchSet, lambda m: m.latch is Latch.RECONCILIATION_DIFFERENCE, mark)
    desk.armed()
    desk.traded(SYMBOLS[0])
    desk.traded(SYMBOLS[3])
    desk.assert_true_and_flat()
