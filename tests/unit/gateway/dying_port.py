"""A gateway's order port, killed around SendOrder: `dying_port.py <folder of the log> before|within`."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from services.gateway.control_calls import OrderPort
from services.gateway.intention_log import IntentionLog
from tests.unit.gateway.desk import fresh, order, ready


def die() -> bool:
    os.kill(os.getpid(), signal.SIGKILL)
    return False


class Control:
    """Dies inside the call: whether the order left is not known to anybody here."""

    def send_order(self, args: list[Any]) -> int:
        return int(die())


if __name__ == "__main__":
    log, moment = IntentionLog(Path(sys.argv[1])), sys.argv[2]
    desk = ready(fresh())
    desk.hear(order(desk.now_ns), "o")
    control: Any = Control()
    look = die if moment == "before" else lambda: False
    OrderPort(control, log, look, lambda: 0).send(desk.sends[0])
