"""Runs a Qt program written for Windows against the simulated world.

`install()` puts an emulated `PyQt5.QAxContainer` (and, where there is none, `pythoncom`) in place, so
that `from PyQt5.QAxContainer import QAxWidget` works on any system. `python -m
services.simulator.host MODULE [ARGS]` installs it and runs the module as the program it is.
"""

import os
import runpy
import sys
import types

from PyQt5.QtCore import QCoreApplication, QEventLoop

from services.contracts.system import SystemMode
from services.simulator.control import QAxWidget, SimulatorAway

CONTAINER = "PyQt5.QAxContainer"


def install() -> None:
    """Replace the container by the emulated one. Call it before the program imports it."""
    container = types.ModuleType(CONTAINER)
    container.__doc__ = "The emulated control of the simulated world."
    container.__dict__.update(QAxWidget=QAxWidget, __all__=["QAxWidget"])
    sys.modules[CONTAINER] = container
    import PyQt5

    PyQt5.__dict__["QAxContainer"] = container
    if sys.platform != "win32" and "pythoncom" not in sys.modules:
        com = types.ModuleType("pythoncom")
        com.__dict__["PumpWaitingMessages"] = pump_waiting_messages
        sys.modules["pythoncom"] = com


def pump_waiting_messages() -> int:
    """COM's message pump: on Windows it also turns Qt's loop; here Qt's loop is all there is."""
    QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
    return 0


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("usage: python -m services.simulator.host MODULE [ARGS...]")
    install()
    os.environ["ARB_RUNTIME_SYSTEM_MODE"] = SystemMode.SIMULATED.value
    sys.argv = sys.argv[1:]
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SimulatorAway as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
