"""A desk of real processes, one for each module that asks: starting it is what takes long."""

import signal
from collections.abc import Iterator

import pytest

from tests.support.live_desk import LiveDesk


@pytest.fixture(scope="module")
def live_desk(request: pytest.FixtureRequest) -> Iterator[LiveDesk]:
    """The desk that the module's `DESK` makes. A test run that is told to end leaves nothing running."""
    desk: LiveDesk = request.module.DESK()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        desk.start()
        yield desk
    finally:
        desk.stop()
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def desk(live_desk: LiveDesk) -> LiveDesk:
    """The module's desk whole and armed, whatever the test before left behind."""
    live_desk.made_whole()
    return live_desk
