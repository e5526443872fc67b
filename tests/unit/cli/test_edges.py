"""What a person may type, or stop in the middle, at the edges of the command line."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.cli import __main__ as entry
from services.cli.app import app
from services.cli.chaos import Chaos, ChaosOptions, Spectator
from services.cli.chaos_day import ChaosDay
from services.cli.faults import EXIT_INTERRUPTED, Interrupted
from services.cli.options import check_writable

REPO = Path(__file__).parents[3]
CONFIG = REPO / "config"


def arb(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), prog_name="arb")


@pytest.fixture(autouse=True)
def _config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARB_CONFIG_DIR", str(CONFIG))


@pytest.mark.parametrize("command", [("simulate", "--seeds", "1:2"), ("demo",), ("chaos",)], ids=str)
@pytest.mark.parametrize("file", ["none/x.json", "."])
def test_a_report_that_could_not_be_written_is_refused_first(
    command: tuple[str, ...], file: str, tmp_path: Path
) -> None:
    result = arb(*command, "--json", str(tmp_path / file))
    assert result.exit_code == 2 and str(tmp_path) in result.stderr.replace("\n", "")


def test_a_file_that_is_there_may_be_written_again(tmp_path: Path) -> None:
    (tmp_path / "x.json").touch()
    for path in (tmp_path / "x.json", tmp_path / "y.json", Path("-"), None):
        check_writable("--json", path)


def test_a_run_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = arb("up", "--run", str(tmp_path / "file" / "x"))
    assert result.exit_code == 2 and "--run" in result.stderr


def test_a_time_beyond_all_calendars_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    result = arb("logs", "--run", str(tmp_path), "--since", "1000000000d")
    assert result.exit_code == 2 and "is no time" in result.stderr


def test_a_terminal_that_cannot_be_drawn_on_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    result = arb("top")
    assert result.exit_code == 2 and "TERM is dumb" in result.stderr


def test_ctrl_c_while_a_command_is_loaded_ends_it_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting:
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name == "services.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "services.cli.app")
    monkeypatch.delattr("services.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == EXIT_INTERRUPTED


@pytest.mark.parametrize("keep", [False, True])
def test_a_drill_that_is_stopped_leaves_nothing_behind_unless_asked(
    keep: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stopped(day: ChaosDay) -> None:
        day.options.folder.mkdir()
        raise Interrupted("stopped before the day was over")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ChaosDay, "run", stopped)
    with pytest.raises(Interrupted) as fault:
        Chaos(ChaosOptions(1, 1, 60, CONFIG, "", keep), Spectator()).run()
    left = list(tmp_path.glob("arb-chaos-*"))
    assert bool(left) is keep and all(str(folder) in fault.value.what for folder in left)


def test_a_process_of_simulated_days_leaves_nothing_behind(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from services.simulator.virtual.desk import build_desk; "
    code += (
        "desk = build_desk(Path(sys.argv[1])); "
        "assert all(folder.is_dir() for basket in desk.baskets.values() for folder in basket.files.values())"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(CONFIG)], cwd=REPO, env={**os.environ, "TMPDIR": str(tmp_path)},
        check=True, timeout=60,
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
