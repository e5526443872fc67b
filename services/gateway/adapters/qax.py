"""Where the control comes from: the only file that knows QAxContainer."""

from typing import Any

from PyQt5.QAxContainer import QAxWidget

PROG_ID = "KHOPENAPI.KHOpenAPICtrl.1"


class NoControl(RuntimeError):
    """The control cannot be created on this machine."""


def create_control() -> Any:
    """Return a new control. Needs an application first. Raises NoControl where there is none."""
    control: Any = QAxWidget(PROG_ID)
    if control.isNull():
        raise NoControl(
            f"{PROG_ID} cannot be created: install the broker's OpenAPI+ and use a 32-bit Python, "
            "or run `python -m services.simulator.host services.gateway`"
        )
    return control
