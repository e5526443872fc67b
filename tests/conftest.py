"""Fixtures that many suites share."""

from collections.abc import Iterator
from pathlib import Path

import fakeredis
import pytest
import redis
import structlog
from hypothesis import settings

from services.runtime.redis_server import find_redis

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Drawing the local variables of each frame, structlog's default, takes seconds for the state of a core.
structlog.configure(
    processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis of this test run's own: the installed server, or the embedded one."""
    folder: Path = tmp_path_factory.mktemp("redis")
    server = find_redis("", folder)
    yield server.url
    server.stop()


@pytest.fixture(params=["fakeredis", pytest.param("redis", marks=pytest.mark.redis)])
def client(request: pytest.FixtureRequest) -> Iterator["redis.Redis"]:
    """An empty Redis: once fakeredis, once a real server, so that both pass the same suite."""
    if request.param == "fakeredis":
        fake = fakeredis.FakeRedis()
        yield fake
        fake.flushall()
        return
    real = redis.Redis.from_url(request.getfixturevalue("redis_url"))
    real.flushall()
    yield real
    real.close()
