"""Where the control comes from: the only file that knows QAxContainer."""

from typing import Any

PROG_ID = "KHOPENAPI.KHOpenAPICtrl.1"
_MEND = (
    "install the broker's OpenAPI+ and use a 32-bit Python, "
    "or run `python -m services.simulator.host services.gateway`"
)


class NoControl(RuntimeError):
    """The control cannot be created on this machine: says how to mend it."""


def create_control() -> Any:
    """Return a new control. Needs an application first. Raises NoControl where there is none."""
    try:
        from PyQt5.QAxContainer import QAxWidget
    except ImportError as error:
        raise NoControl(f"{PROG_ID} cannot be created, PyQt5 has no QAxContainer here: {_MEND}") from error
    control: Any = QAxWidget(PROG_ID)
    if control.isNull():
        raise NoControl(f"{PROG_ID} cannot be created: {_MEND}")
    return control
