"""Who laid a HALT file is told, and so is its end."""

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.status import GatewayStatus

from .desk import Desk


def test_who_laid_a_halt_file_is_told_each_with_its_end(desk: Desk) -> None:
    def told() -> list[tuple[str, bool, str]]:
        codes = (AlertCode.HALT_FILE, AlertCode.HALT_BY_SUPERVISOR)
        return [(a.code, a.resolved, a.detail) for a in desk.told(AlertRaised) if a.code in codes]

    desk.tick(0.1, halt_file=True, halt_why="a restart")
    desk.tick(0.1, halt_file=True, halt_why="a restart", halt_entry="var/HALT.txt")
    desk.tick(1.1, halt_file=True, halt_entry="var/HALT.txt")
    assert desk.told(GatewayStatus)[-1].halt_file == "var/HALT.txt"
    desk.tick(1.1)
    assert desk.told(GatewayStatus)[-1].halt_file == ""
    assert [(code, over) for code, over, _ in told()] == [
        ("halt_by_supervisor", False), ("halt_file", False),
        ("halt_by_supervisor", True), ("halt_file", True),
    ]  # fmt: skip
    assert "var/HALT.txt" in told()[1][2]
