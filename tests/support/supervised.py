"""A supervised gateway of real processes: Redis, simulator, supervisor, and the gateway that it starts.

It is eleven o'clock of a trading day, in real time. What risk would publish is said once; nothing trades.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from services.contracts.envelope import Envelope, Message, decode
from services.contracts.in_force import Reference
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.supervision import SupervisorStatus
from services.contracts.streams import ALERTS, CONTROL, STATUS
from services.contracts.terms import TradingDate
from services.contracts.trading_limits import TradingLimits
from services.gateway.halt_file import HaltFile, LaidBy, look
from services.gateway.pulse import Pulse, read_pulse
from services.market.files import load_market, load_symbol_map, write_day_plan
from services.market.market_clock import DayPlan
from services.runtime.bus import BusUnavailable, Write
from services.runtime.redis_bus import RedisBus, connect
from services.runtime.redis_server import find_redis
from services.simulator.admin import Admin

ROOT: Final = Path(__file__).resolve().parents[2]
CONFIG: Final = ROOT / "config"
DATE: Final = TradingDate("2026-11-23")
DAY_NS: Final = 24 * 3600 * 10**9
DEADLINE_S: Final = 40.0
SUPERVISOR: Final = "services.gateway.supervisor"


class Slack:
    """A webhook on this machine that takes everything and remembers it."""

    def __init__(self) -> None:
        texts = self.texts = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                texts.append(json.loads(body)["text"])
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: Any) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/T/B/secret"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Supervised:
    """Started with `start()`; `stop()` ends all that it started. Settings of the supervisor are short."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.slack = folder, Slack()
        self.state_dir, self.halt_path = folder / "state", folder / "HALT"
        self.redis = find_redis("", folder / "redis")
        self.settings = {
            "HANG_S": "3", "HANG_CONNECTING_S": "20", "READY_S": "60", "SETTLE_S": "1", "STOP_S": "5",
            "BACKOFF_S": "[0, 1]", "MOST_ENDS": "40", "REDIS_AWAY_S": "2", "LANGUAGE": "en",
            "LOG_DIR": str(folder / "logs"),
            "COMMAND": json.dumps([sys.executable, "-m", "services.simulator.host", "services.gateway"]),
            **settings,
        }  # fmt: skip
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return f"unix:{self.folder}/sim.sock"

    def environment(self) -> dict[str, str]:
        plan = self.folder / "day.json"
        own = {
            "PYTHONPATH": str(ROOT), "ARB_CONFIG_DIR": str(CONFIG), "QT_QPA_PLATFORM": "offscreen",
            "ARB_RUNTIME_REDIS_URL": self.redis.url, "ARB_GATEWAY_MODE": "simulated",
            "ARB_RUNTIME_DAY_PLAN": str(plan) if plan.exists() else "",
            "ARB_GATEWAY_STATE_DIR": str(self.state_dir), "ARB_GATEWAY_HALT_FILE": str(self.halt_path),
            "ARB_GATEWAY_RECONNECT": "exit", "ARB_SIMULATOR": self.address,
            "ARB_EMULATED_WINDOWS": str(self.folder / "windows"), "SLACK_WEBHOOK_URL": self.slack.url,
        }  # fmt: skip
        short = {f"ARB_SUPERVISOR_{name}": value for name, value in self.settings.items()}
        return {**os.environ, **own, **short}

    def start(self) -> None:
        anchor_ns = time.time_ns() - 11 * 3600 * 10**9
        plan = DayPlan(trading_date=DATE, anchor_wall_ns=anchor_ns, breakpoints=((0, 0), (DAY_NS, DAY_NS)))
        write_day_plan(self.folder / "day.json", plan)
        self._run(
            "services.simulator", "--listen", self.address, "--config-dir", str(CONFIG), "--day-plan",
            str(self.folder / "day.json"), "--seed", "7",
        )  # fmt: skip
        until("the simulator listens", lambda: (self.folder / "sim.sock").exists())
        self.publish()
        self.supervise()
        self.ready()

    def publish(self) -> None:
        """Say what risk says when a day begins."""
        rules = load_market(CONFIG)
        reference = Reference(
            trading_date=DATE, symbols=load_symbol_map(CONFIG, ("g1", "g2")),
            costs=rules.costs_by_market(DATE), limits=TradingLimits(),
        )  # fmt: skip
        said = ReferencePublished(
            reference=reference, reference_hash=reference.hash, by="test", reason="a test"
        )
        bus = self.bus()
        envelope = Envelope.wrap(said, source="test", now_ns=bus.time_ns(), causation_id="test")
        bus.append([Write(CONTROL.key, envelope)])

    def supervise(self) -> "subprocess.Popen[bytes]":
        return self._run(SUPERVISOR)

    def _run(self, *command: str) -> "subprocess.Popen[bytes]":
        with (self.folder / "processes.err").open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], env=self.environment(), cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.redis.stop()
        self.slack.close()

    # -- what is seen ------------------------------------------------------------------------

    def bus(self) -> RedisBus:
        return connect(self.redis.url)

    def newest(self, key: str, kind: type[Message]) -> list[Any]:
        try:
            bodies = [decode(entry.text).body for entry in self.bus().tail(key, 500)]
        except BusUnavailable:
            return []
        return [body for body in bodies if isinstance(body, kind)]

    def alerts(self) -> list[AlertRaised]:
        return [a for a in self.newest(ALERTS.key, AlertRaised) if a.alert_id.split("-")[0] != "login"]

    def status(self) -> SupervisorStatus | None:
        found = self.newest(STATUS.key, SupervisorStatus)
        return found[-1] if found else None

    @property
    def halt(self) -> HaltFile:
        return look(self.halt_path)

    @property
    def pulse(self) -> Pulse | None:
        return read_pulse(self.state_dir)

    @property
    def pid(self) -> int:
        pulse = self.pulse
        return 0 if pulse is None else pulse.pid

    def is_ready(self, other_than: int = 0) -> bool:
        """Whether a gateway beats, is ready, and nothing stops it."""
        pulse = self.pulse
        if pulse is None or pulse.pid == other_than or not pulse.vitals.ready or self.halt.present:
            return False
        time.sleep(0.6)
        later = self.pulse
        return later is not None and later.pid == pulse.pid and later.number > pulse.number

    def ready(self, other_than: int = 0) -> int:
        """Wait for a ready gateway, another than `other_than`, without a HALT file; returns its pid."""
        until("a gateway is ready", lambda: self.is_ready(other_than), self.errors)
        return self.pid

    def halted_then_ready(self, before: int) -> int:
        """Trading stops while the gateway is away; another one comes, and the HALT file goes."""
        until("a HALT file of ours lies there", lambda: self.halt.laid_by is LaidBy.SUPERVISOR, self.errors)
        return self.ready(other_than=before)

    def trouble(self, kind: str, **args: Any) -> None:
        with Admin(self.address) as admin:
            admin.inject("trouble", kind=kind, **args)

    def errors(self) -> str:
        logs = [*self.folder.glob("*.err"), *self.folder.glob("logs/*")]
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-2500:]}" for path in logs)


def until(what: str, found: Callable[[], Any], why: Callable[[], str] = lambda: "") -> Any:
    """Poll until `found` gives something true; returns it, or fails after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError(f"never: {what}\n{why()}")
