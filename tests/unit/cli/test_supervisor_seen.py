"""What `arb status` says of the gateway's supervisor."""

import pytest

from services.cli.board import STALE_NS, Board, SupervisorSeen, seen
from services.contracts.messages.supervision import SupervisorStatus
from tests.contracts.examples import EXAMPLES
from tests.unit.cli.builders import NOW_NS, envelope


def said(**changes: object) -> SupervisorSeen:
    status = EXAMPLES["SupervisorStatus"].model_copy(update={"ends": 0, **changes})
    board = seen(Board(), envelope(status))
    assert board.supervisor is not None and isinstance(board.supervisor.status, SupervisorStatus)
    return SupervisorSeen(board.supervisor.status, NOW_NS)


@pytest.mark.parametrize("phase", ["running", "resting"])
def test_all_well_is_no_line(phase: str) -> None:
    assert said(phase=phase).words(NOW_NS) == ""


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"phase": "gave_up"}, "gave up"),
        ({"halt": "person", "halt_file": "var/HALT.txt"}, "laid by the person: var/HALT.txt"),
        ({"windows": ("Something new",)}, "Something new"),
        ({"ends": 2, "last_end": "it crashed (c0000005)"}, "c0000005"),
    ],
)
def test_trouble_is_named(changes: dict[str, object], word: str) -> None:
    assert word in said(**changes).words(NOW_NS)


def test_a_silent_supervisor_is_said_to_be_silent() -> None:
    assert "silent" in said().words(NOW_NS + STALE_NS + 1)
