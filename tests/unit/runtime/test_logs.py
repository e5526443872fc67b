"""What a log line holds, what it never holds, the file it goes to, and a disk that takes nothing."""

import json
import logging
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

import pytest
import structlog

from services.contracts.envelope import Envelope
from services.runtime.logs import LogTarget, RotatingFile, about, backup_of, configure_logs, log_said
from tests.contracts.examples import EXAMPLES, PAIR_ID


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "logs" / "risk.log"
    before, settings = logging.getLogger().handlers[:], structlog.get_config()
    configure_logs("INFO", str(path), "risk")
    yield path
    structlog.configure(**settings)
    logging.getLogger().handlers[:] = before


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_line_says_when_how_serious_who_and_what(log_file: Path) -> None:
    structlog.get_logger().info("started", epoch=3)
    structlog.get_logger(service="detector-g1").warning("slow")
    first, second = lines(log_file)
    assert list(first)[:4] == ["ts", "level", "service", "event"]
    assert (first["service"], first["level"], first["epoch"]) == ("risk", "info", 3)
    assert str(first["ts"]).endswith("Z")
    assert second["service"] == "detector-g1"


def test_passwords_and_webhooks_are_masked_wherever_they_stand(log_file: Path) -> None:
    url, hook = "redis://desk:hunter2@10.0.0.1:6379/0", "https://hooks.slack.com/services/T0/B0/secret"
    log = structlog.get_logger()
    try:
        raise ConnectionError(f"no answer from {url}")
    except ConnectionError as error:
        log.exception("bus unavailable", error=error, urls=[url, hook], by={"name": url})
    logging.getLogger("redis").error("cannot reach %s", url)
    text = log_file.read_text(encoding="utf-8")
    assert "hunter2" not in text and "secret" not in text
    assert "redis://***@10.0.0.1:6379/0" in text
    assert len(lines(log_file)) == 2


def test_what_cannot_be_written_as_json_is_written_as_text(log_file: Path) -> None:
    structlog.get_logger().info("odd", value={1, 2}, path=Path("x"))
    assert lines(log_file)[0]["path"] == "x"


@pytest.mark.parametrize(
    ("kind", "order"), [("PlaceOrder", True), ("OrderFilled", True), ("PairClosed", False)]
)
def test_what_concerns_a_pair_names_it_and_its_order(kind: str, order: bool, log_file: Path) -> None:
    envelope = Envelope.wrap(EXAMPLES[kind], source="risk", now_ns=1, causation_id="c")
    whom = about(envelope)
    assert whom["pair_id"] == PAIR_ID
    assert ("order_id" in whom) is order
    log_said(structlog.get_logger(), envelope)
    assert lines(log_file)[0]["pair_id"] == PAIR_ID


def test_the_rest_of_what_is_said_leaves_no_line(log_file: Path) -> None:
    for kind in ("Heartbeat", "QuoteUpdated", "SessionPhaseChanged"):
        envelope = Envelope.wrap(EXAMPLES[kind], source="risk", now_ns=1, causation_id="c")
        log_said(structlog.get_logger(), envelope)
    assert lines(log_file) == []


def test_a_line_that_the_disk_does_not_take_raises_nothing() -> None:
    full = Path("/dev/full").open("w", encoding="utf-8", buffering=1)  # noqa: SIM115
    with pytest.raises(OSError, match="No space left"):
        full.write("x" * 100_000 + "\n")
    target = LogTarget(full)
    target.write("x" * 100_000 + "\n")
    target.flush()
    with suppress(OSError):
        full.close()


def test_a_disk_that_takes_no_new_file_for_a_while_costs_only_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.log"
    file = RotatingFile(path, max_bytes=10)
    target = LogTarget(cast(TextIO, file))
    target.write("first\n")
    with monkeypatch.context() as full:
        full.setattr(RotatingFile, "_open", lambda self: (_ for _ in ()).throw(OSError("no space left")))
        target.write("a second line\n")
    target.write("third\n")
    assert path.read_text() == "third\n"


def test_a_full_file_starts_anew_and_no_line_is_cut_or_lost(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    file = RotatingFile(path, max_bytes=400, backups=30)
    for number in range(50):
        file.write(f'{{"n": {number}}}\n')
    file.flush()
    texts = [backup_of(path, n).read_text() for n in range(30, -1, -1) if backup_of(path, n).exists()]
    assert [json.loads(line)["n"] for text in texts for line in text.splitlines()] == list(range(50))
    assert len(texts) > 1 and all(len(text) <= 400 for text in texts)


def test_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    file = RotatingFile(path, max_bytes=10, backups=2)
    for number in range(9):
        file.write(f"{number:08}\n")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["x.log", "x.log.1", "x.log.2"]


def test_a_file_that_cannot_be_renamed_grows_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def held(*_: object) -> None:
        raise PermissionError("a reader holds it")

    path = tmp_path / "x.log"
    file = RotatingFile(path, max_bytes=10)
    monkeypatch.setattr(Path, "replace", held)
    for number in range(5):
        file.write(f"{number:08}\n")
    assert len(path.read_text().splitlines()) == 5


def test_what_is_no_ordinary_file_is_never_renamed(tmp_path: Path) -> None:
    """`/dev/stdout`, as containers like it; a pipe that something reads."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    file = RotatingFile(pipe, max_bytes=20)
    for number in range(9):
        file.write(f"{number:08}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"] and pipe.is_fifo()
    assert len(os.read(reader, 1_000).splitlines()) == 9
    os.close(reader)


def test_several_processes_share_a_file_and_lose_none_of_its_newest_lines(tmp_path: Path) -> None:
    """Each had its own count, and renamed what another still wrote to."""
    path = tmp_path / "x.log"
    programs = [RotatingFile(path, max_bytes=400, backups=3) for _ in range(5)]
    for number in range(200):
        programs[number % 5].write(f"{number:08}\n")
    texts = [backup_of(path, n).read_text() for n in range(3, -1, -1)]
    kept = [int(line) for text in texts for line in text.splitlines()]
    assert kept == list(range(kept[0], 200)) and len(kept) > 130
    assert all(len(text) <= 400 for text in texts)


def test_lines_of_two_processes_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "x.log"

    def write(letter: str) -> None:
        file = RotatingFile(path, max_bytes=300_000)
        for _ in range(60):
            file.write(letter * 20_000 + "\n")

    runs = [multiprocessing.get_context("fork").Process(target=write, args=(letter,)) for letter in "ab"]
    for run in runs:
        run.start()
    for run in runs:
        run.join(30)
    lines = [line for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    assert len(lines) > 60 and all(line in ("a" * 20_000, "b" * 20_000) for line in lines)
