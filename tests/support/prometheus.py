"""A real Prometheus and a real Alertmanager for a test, and a place where alerts are posted to."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.monitoring_tools import default_templates, tool

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
READY_TIMEOUT_S: Final = 30


class NotAsked(RuntimeError):
    """A query that Prometheus refused; says what it answered."""


@dataclass(frozen=True)
class Prometheus:
    """The HTTP interface of a running Prometheus."""

    url: str

    def instant(self, expression: str) -> list[dict[str, Any]]:
        """Return the series an expression has now. Raises NotAsked."""
        return self._series("query", query=expression)

    def over(self, expression: str, seconds: int, step_s: int = 5) -> list[dict[str, Any]]:
        """Return the series an expression had in the last `seconds`. Raises NotAsked."""
        now = time.time()
        return self._series(
            "query_range", query=expression, start=f"{now - seconds}", end=f"{now}", step=f"{step_s}"
        )

    def label_values(self, selector: str, label: str) -> list[str]:
        values: list[str] = self._get(f"label/{label}/values", **{"match[]": selector})["data"]
        return values

    def rules(self) -> list[dict[str, Any]]:
        groups = self._get("rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        active: list[dict[str, Any]] = self._get("targets")["data"]["activeTargets"]
        return active

    def _series(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self._get(path, **parameters)["data"]["result"]
        return result

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=20) as reply:
                answer: dict[str, Any] = json.load(reply)
        except urllib.error.HTTPError as error:
            raise NotAsked(f"{parameters}: {error.read().decode()}") from None
        return answer


@dataclass
class Mailbox:
    """A local webhook: what was posted, by path."""

    url: str
    posted: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def at(self, path: str) -> list[dict[str, Any]]:
        return list(self.posted.get(path, ()))


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            box.posted.setdefault(self.path, []).append(json.loads(body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    box.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Alertmanager:
    """The HTTP interface of a running Alertmanager."""

    url: str

    def tell(self, *alerts: dict[str, Any]) -> None:
        """Post alerts as Prometheus does."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts",
            json.dumps(alerts).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()

    def states(self) -> dict[str, str]:
        """Return the state of each alert by its name: `unprocessed`, `active` or `suppressed`."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as reply:
            return {alert["labels"]["alertname"]: alert["status"]["state"] for alert in json.load(reply)}


@contextmanager
def alertmanager(folder: Path, box: Mailbox) -> Iterator[Alertmanager]:
    """Run Alertmanager with the deployed file; alerts are posted to `box`. Raises Unavailable."""
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    _write_alertmanager(folder, box)
    with _running(
        folder, "prometheus-alertmanager", address, dict(os.environ),
        "--config.file=alertmanager.yml", "--storage.path=alerts", "--cluster.listen-address=",
    ):  # fmt: skip
        yield Alertmanager(f"http://{address}")


@contextmanager
def monitoring(folder: Path, targets: Path, box: Mailbox) -> Iterator[Prometheus]:
    """Run Prometheus and Alertmanager with the deployed files on `targets`; alerts are posted to `box`.

    Only addresses and intervals differ from what is deployed. Raises Unavailable.
    """
    (port,) = free_ports(1)
    own = f"127.0.0.1:{port}"
    environment = {**os.environ, "ARB_RUNBOOK": "docs/runbook.md", "ARB_GRAFANA_URL": "http://grafana"}
    with alertmanager(folder, box) as manager:
        _write_prometheus(folder, targets, own, manager.url.removeprefix("http://"))
        with _running(
            folder, "prometheus", own, environment,
            "--config.file=prometheus.yml", "--storage.tsdb.path=series",
            "--enable-feature=expand-external-labels",
        ):  # fmt: skip
            yield Prometheus(f"http://{own}")


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _write_prometheus(folder: Path, targets: Path, own: str, manager: str) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    config["global"].update(scrape_interval="1s", scrape_timeout="1s", evaluation_interval="1s")
    config["rule_files"] = [str(DEPLOY / "prometheus" / "rules" / "*.yml")]
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [manager]}]}]
    ours, itself, alertmanager, _grafana = config["scrape_configs"]
    ours["file_sd_configs"] = [{"files": [str(targets)], "refresh_interval": "1s"}]
    itself["static_configs"] = [{"targets": [own]}]
    alertmanager["static_configs"] = [{"targets": [manager]}]
    config["scrape_configs"] = [ours, itself, alertmanager]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")


def _write_alertmanager(folder: Path, box: Mailbox) -> None:
    for template in default_templates():
        shutil.copy(template, folder)
    config = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text("utf-8"))
    (folder / "slack").write_text(f"{box.url}/slack", encoding="utf-8")
    config["global"]["slack_api_url_file"] = str(folder / "slack")
    config["templates"] = [str(DEPLOY / "alertmanager" / "templates" / "*.tmpl")]
    for receiver in config["receivers"]:
        for webhook in receiver.get("webhook_configs", ()):
            del webhook["url_file"]  # 0.25 knows only addresses
            webhook["url"] = f"{box.url}/heartbeat"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config), encoding="utf-8")


@contextmanager
def _running(
    folder: Path, name: str, address: str, environment: dict[str, str], *arguments: str
) -> Iterator[None]:
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(tool(name)), f"--web.listen-address={address}", *arguments],
            cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        _await_ready(f"http://{address}/-/ready", process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with suppress(OSError), urllib.request.urlopen(address, timeout=2) as reply:
            if reply.status == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"{address} did not become ready:\n{log.read_text('utf-8')[-3_000:]}")
