"""Fixtures of the virtual days."""

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(scope="package", autouse=True)
def no_lines() -> Iterator[None]:
    """Services start, end and lose their bus hundreds of times a day, and a test prints each line."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)
