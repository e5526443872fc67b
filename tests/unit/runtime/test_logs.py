"""Logs on a disk that takes nothing: lines are left out, and no thread that logs is ended by it."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from services.runtime.logs import LogTarget, configure_logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_line_that_the_disk_does_not_take_raises_nothing() -> None:
    full = Path("/dev/full").open("w", encoding="utf-8", buffering=1)  # noqa: SIM115
    with pytest.raises(OSError, match="No space left"):
        full.write("x" * 100_000 + "\n")
    target = LogTarget(full)
    target.write("x" * 100_000 + "\n")
    target.flush()
    with suppress(OSError):
        full.close()


def test_lines_reach_a_file_that_takes_them(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    configure_logs("INFO", str(path))
    structlog.get_logger(service="risk").info("recovered", epoch=3)
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["event"] == "recovered" and json.loads(line)["epoch"] == 3
