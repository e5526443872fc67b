"""The configuration that supervisord gets, and what is said of its processes."""

import configparser
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.cli.faults import UsageFault
from services.cli.stack import Program
from services.cli.supervisord import (
    CONFIG_FILE,
    Managed,
    configuration_of,
    managed,
    manager_program,
    process_lines,
)


def read(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


def test_programs_start_in_the_order_of_the_fleet_and_stop_the_other_way_round(tmp_path: Path) -> None:
    programs = [Program(name, ("python", "-m", name)) for name in ("simulator", "risk", "detector-g1")]
    conf = read(configuration_of(programs, tmp_path, tmp_path))
    priorities = [int(conf[f"program:{program.name}"]["priority"]) for program in programs]
    assert priorities == sorted(set(priorities))


def test_an_end_that_a_new_start_cannot_mend_is_no_reason_for_one(tmp_path: Path) -> None:
    conf = read(configuration_of([Program("risk", ("x",))], tmp_path, tmp_path))["program:risk"]
    assert (conf["autorestart"], conf["exitcodes"]) == ("unexpected", "2,4,6")


@given(st.text(st.characters(codec="ascii", exclude_categories=["C"], exclude_characters='"'), min_size=1))
def test_arguments_and_values_pass_as_they_are(word: str) -> None:
    """Read back by supervisord's own parser, with the expansion that it makes."""
    import tempfile

    assume(" ;" not in word and " #" not in word)
    from supervisor.options import ServerOptions

    with tempfile.TemporaryDirectory(prefix="sv") as name:
        folder = Path(name)
        manager_program([Program("risk", ("python", "-c", word), {"ARB_X": word})], folder, folder)
        options = ServerOptions()
        options.realize(["-c", str(folder / CONFIG_FILE)], doc="")
        (group,) = options.process_group_configs
        (process,) = group.process_configs
    import shlex

    assert shlex.split(process.command)[-4:] == [f"ARB_X={word}", "python", "-c", word]


def test_what_supervisord_would_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="comment"):
        configuration_of([Program("risk", ("python", "a ;b"))], tmp_path, tmp_path)


def test_the_file_holds_no_address_of_redis(tmp_path: Path) -> None:
    manager_program([Program("risk", ("x",), {"ARB_CONFIG_DIR": "config"})], tmp_path, tmp_path)
    assert "redis" not in (tmp_path / CONFIG_FILE).read_text().lower()


def test_only_what_is_not_as_it_was_started_is_told() -> None:
    processes = (
        Managed("risk", "RUNNING", 5, 100, 0), Managed("executor", "RUNNING", 6, 7, 0),
        Managed("notifier", "FATAL", 0, 0, 2), Managed("gateway", "BACKOFF", 0, 0, 1),
    )  # fmt: skip
    lines = process_lines(processes, 101)
    assert [line.split()[0] for line in lines] == ["executor", "notifier", "gateway"]
    assert "7 s ago" in lines[0] and "exit code 2" in lines[1] and "failed at its start" in lines[2]


def test_a_process_that_has_just_been_started_runs() -> None:
    states = ("RUNNING", "STARTING", "BACKOFF", "FATAL", "EXITED")
    assert [Managed("risk", state, 5, 1, 0).runs for state in states] == [True, True, False, False, False]


def test_where_none_runs_there_is_nothing(tmp_path: Path) -> None:
    assert managed(tmp_path) == ()
