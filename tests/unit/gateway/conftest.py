"""The gateway's fixtures."""

import pytest

from .desk import Desk, fresh, ready


@pytest.fixture
def desk() -> Desk:
    """A gateway that is ready and armed, at 10:00 on a trading day."""
    return ready(fresh())
