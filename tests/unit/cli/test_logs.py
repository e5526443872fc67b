"""`arb logs` on real files: merged, filtered, followed over rotations, with torn and foreign lines."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import example, given
from hypothesis import strategies as st
from rich.text import Text
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.faults import UsageFault
from services.cli.log_files import Line, LogFolder, parsed
from services.cli.log_view import Wanted, shown, since_of
from services.runtime.logs import RotatingFile

NOW = dt.datetime(2026, 11, 23, 1, 0, tzinfo=dt.UTC)
PAIR = "20261123-005930-1"


def entry(second: int, service: str = "risk", **more: Any) -> str:
    ts = f"2026-11-23T00:00:{second:02}.000000Z"
    return json.dumps({"ts": ts, "level": "info", "service": service, "event": f"e{second}", **more}) + "\n"


def put(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write(text)


def arb(*args: str) -> Result:
    return CliRunner().invoke(app, ["logs", *args], prog_name="arb")


def events(lines: list[Line]) -> list[str]:
    return [str(line.data["event"]) for line in lines]


class TestReading:
    def test_files_are_merged_by_time_with_their_older_parts(self, tmp_path: Path) -> None:
        put(tmp_path, "risk.log.2", entry(1))
        put(tmp_path, "risk.log.1", entry(3))
        put(tmp_path, "risk.log", entry(5))
        put(tmp_path, "executor.log", entry(2, "executor") + entry(4, "executor"))
        assert events(LogFolder(tmp_path).read()) == ["e1", "e2", "e3", "e4", "e5"]

    def test_what_a_process_printed_at_its_end_stands_at_the_end(self, tmp_path: Path) -> None:
        put(tmp_path, "risk.log", entry(1))
        put(tmp_path, "risk.out", "error: settings of risk\n" + '{"event": "no_such_key: unknown"}\n')
        put(tmp_path, "supervisord.out", "not of a service\n")
        lines = LogFolder(tmp_path).read()
        assert events(lines) == ["e1", "error: settings of risk", "no_such_key: unknown"]
        assert {line.service for line in lines} == {"risk"}
        told = [json.loads(line.json) for line in lines]
        assert [row["event"] for row in told] == events(lines)
        assert {row["service"] for row in told} == {"risk"} and all(row["ts"] for row in told)

    def test_what_comes_is_read_once(self, tmp_path: Path) -> None:
        folder = LogFolder(tmp_path)
        put(tmp_path, "risk.log", entry(1))
        assert events(folder.read()) == ["e1"]
        put(tmp_path, "risk.log", entry(2))
        put(tmp_path, "gateway.log", entry(3, "gateway"))
        assert events(folder.read()) == ["e2", "e3"]
        assert folder.read() == []

    def test_a_line_without_its_end_waits_for_the_rest(self, tmp_path: Path) -> None:
        folder, whole = LogFolder(tmp_path), entry(1, name="삼성전자")
        raw = json.dumps(json.loads(whole), ensure_ascii=False).encode() + b"\n"
        for at in range(len(raw)):
            with (tmp_path / "risk.log").open("ab") as file:
                file.write(raw[at : at + 1])
            lines = folder.read()
            assert (lines != []) is (at == len(raw) - 1)
        assert lines[0].data["name"] == "삼성전자"

    def test_the_torn_last_line_of_a_dead_process_is_shown(self, tmp_path: Path) -> None:
        put(tmp_path, "risk.log", entry(1) + '{"ts": "2026-11-23T00:00:02')
        lines = LogFolder(tmp_path).read(last=True)
        assert [line.service for line in lines] == ["risk", "risk"]
        assert lines[1].text.startswith('{"ts"')

    def test_a_foreign_line_stands_where_it_was_found(self, tmp_path: Path) -> None:
        put(tmp_path, "risk.log", entry(1) + "Traceback (most recent call last):\n" + entry(3))
        put(tmp_path, "executor.log", entry(2, "executor"))
        assert events(LogFolder(tmp_path).read())[1].startswith("Traceback")

    def test_a_file_that_was_emptied_is_read_anew(self, tmp_path: Path) -> None:
        folder = LogFolder(tmp_path)
        put(tmp_path, "risk.log", entry(1) + entry(2))
        folder.read()
        (tmp_path / "risk.log").write_text(entry(3))
        assert events(folder.read()) == ["e3"]

    @given(st.lists(st.one_of(st.just(-1), st.integers(1, 12)), max_size=30))
    def test_nothing_is_lost_or_doubled_over_rotations(self, steps: list[int]) -> None:
        """Positive: so many lines are written; -1: the follower reads. Fewer files than are kept."""
        import tempfile

        with tempfile.TemporaryDirectory() as name:
            path = Path(name)
            file = RotatingFile(path / "risk.log", max_bytes=4_000, backups=40)
            folder, seen, written = LogFolder(path), list[int](), 0
            for step in steps:
                for _ in range(max(0, step)):
                    file.write(entry(1, n=written))
                    written += 1
                if step < 0:
                    seen += [int(line.data["n"]) for line in folder.read()]
            file.flush()
            seen += [int(line.data["n"]) for line in folder.read()]
            assert seen == list(range(written))

    @given(st.text())
    def test_any_text_is_a_line(self, text: str) -> None:
        line = parsed(text, "risk", "")
        assert shown(line) and shown(line, 80)


class TestWanted:
    LINE = parsed(entry(5, "detector-g1", pair_id=PAIR, order_id=f"{PAIR}.1.b.1").strip(), "x", "")

    @pytest.mark.parametrize(
        ("wanted", "fits"),
        [
            (Wanted(), True),
            (Wanted(service="detector"), True),
            (Wanted(service="detector-g1"), True),
            (Wanted(service="detect"), False),
            (Wanted(pair=PAIR), True),
            (Wanted(pair=f"{PAIR}.1.b.1"), True),
            (Wanted(pair=PAIR[:-2]), False),
            (Wanted(level="info"), True),
            (Wanted(level="warning"), False),
            (Wanted(since="2026-11-23T00:00:05.000000Z"), True),
            (Wanted(since="2026-11-23T00:00:05.000001Z"), False),
            (Wanted(text="E5"), True),
            (Wanted(text="e6"), False),
        ],
    )
    def test_each_filter(self, wanted: Wanted, fits: bool) -> None:
        assert wanted.fits(self.LINE) is fits

    def test_a_traceback_is_never_left_out_by_level(self) -> None:
        assert Wanted(level="error").fits(parsed("Traceback", "risk", ""))

    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("30s", "2026-11-23T00:59:30.000000Z"),
            ("10m", "2026-11-23T00:50:00.000000Z"),
            ("2h", "2026-11-22T23:00:00.000000Z"),
            ("1d", "2026-11-22T01:00:00.000000Z"),
            ("09:30", "2026-11-23T00:30:00.000000Z"),
            ("9:30", "2026-11-23T00:30:00.000000Z"),
            ("2026-11-23T09:30", "2026-11-23T00:30:00.000000Z"),
            ("2026-11-23T00:30Z", "2026-11-23T00:30:00.000000Z"),
        ],
    )
    def test_since(self, text: str, moment: str) -> None:
        assert since_of(text, NOW) == moment

    @pytest.mark.parametrize("text", ["", "yesterday", "10", "25:00", "10y"])
    def test_a_time_that_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(UsageFault, match="--since"):
            since_of(text, NOW)


class TestShown:
    @given(
        st.dictionaries(st.text("abc", min_size=1, max_size=5), st.text(max_size=60), max_size=6),
        st.text(max_size=120), st.integers(30, 120),
    )  # fmt: skip
    @example({"a": "0삼"}, "", 39)
    def test_no_row_is_wider_than_the_terminal(self, more: dict[str, str], event: str, width: int) -> None:
        line = parsed(entry(1, **{**more, "event": event, "exception": event}), "x", "")
        assert all(row.cell_len <= width for row in shown(line, width))

    def test_a_pipe_gets_one_row_a_line(self) -> None:
        rows = shown(parsed(entry(1, error="x y", exception="A\nB"), "x", ""))
        assert rows == [Text("09:00:01.000 INFO risk        e1 error='x y' A | B")]


class TestCommand:
    def test_it_filters_and_merges(self, tmp_path: Path) -> None:
        put(tmp_path / "run" / "logs", "risk.log", entry(1, pair_id=PAIR) + entry(2))
        put(tmp_path / "run" / "logs", "executor.log", entry(3, "executor", pair_id=PAIR))
        result = arb("--run", str(tmp_path / "run"), "--pair", PAIR)
        assert result.exit_code == 0
        assert [row.split()[3] for row in result.output.splitlines()] == ["e1", "e3"]

    @pytest.mark.parametrize("args", [["executor"], ["--service", "executor"]])
    def test_one_service(self, args: list[str], tmp_path: Path) -> None:
        put(tmp_path, "risk.log", entry(1))
        put(tmp_path, "executor.log", entry(3, "executor"))
        (row,) = arb("--dir", str(tmp_path), *args).output.splitlines()
        assert row.split()[2] == "executor"

    def test_json_gives_the_lines_as_they_are(self, tmp_path: Path) -> None:
        put(tmp_path, "risk.log", entry(1) + entry(2))
        result = arb("--dir", str(tmp_path), "--json", "-n", "1")
        assert result.output == entry(2)

    @pytest.mark.parametrize(
        "args", [["--level", "loud"], ["--since", "soon"], ["--dir", "/nowhere/at/all"]], ids=lambda a: a[0]
    )
    def test_what_cannot_be_is_refused(self, args: list[str], tmp_path: Path) -> None:
        put(tmp_path, "risk.log", entry(1))
        assert arb("--dir", str(tmp_path), *args).exit_code == 2
