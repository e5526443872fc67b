"""A webhook of our own, a clean real Redis, and the notifier as a process."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    hang_up: bool = False


class SlackDouble(ThreadingHTTPServer):
    """Answers as scripted, then with `always`; `posts` are the bodies it accepted with a 200.

    `received` are all of them: when (ns), what was answered, the body.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: deque[Answer] = deque()
        self.always = Answer()
        self.posts: list[dict[str, Any]] = []
        self.attempts: list[tuple[float, dict[str, Any]]] = []
        self.received: list[tuple[int, Answer, dict[str, Any]]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/T0/B0/secret"

    def texts(self) -> str:
        return "\n".join(str(post["text"]) for post in self.posts)


class _Handler(BaseHTTPRequestHandler):
    server: SlackDouble

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            answer = self.server.script.popleft() if self.server.script else self.server.always
            self.server.attempts.append((time.monotonic(), body))
            self.server.received.append((time.time_ns(), answer, body))
        if answer.hang_up:
            return
        time.sleep(answer.after_s)
        try:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok" if answer.status == 200 else b"refused")
        except OSError:
            return
        if answer.status == 200:
            with self.server.lock:
                self.server.posts.append(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def slack() -> Iterator[SlackDouble]:
    server = SlackDouble()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def real(redis_url: str) -> Iterator["redis.Redis"]:
    """A real Redis, emptied."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start a Python module in a folder of its own; whatever still runs at the end is killed."""
    running: list[subprocess.Popen[bytes]] = []
    root = Path(__file__).resolve().parents[3]
    own_config = tmp_path / "config"
    own_config.mkdir()
    shutil.copy(root / "config" / "notifier.toml", own_config)

    def launch(module: str, arguments: str = "", **settings: str) -> "subprocess.Popen[bytes]":
        known = {k: v for k, v in os.environ.items() if not k.startswith("ARB_") and k != "SLACK_WEBHOOK_URL"}
        environment = {
            **known,
            "PYTHONPATH": str(root),
            "ARB_CONFIG_DIR": str(own_config),
            "ARB_RUNTIME_REDIS_URL": redis_url,
            "ARB_NOTIFIER_JOURNAL_DIR": str(tmp_path / "journal"),
            "ARB_NOTIFIER_LANGUAGE": "en",
            **settings,
        }
        log = (tmp_path / "log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments.split()],
            env=environment,
            cwd=tmp_path,
            stderr=log,
            stdout=log,
            start_new_session=True,
        )
        log.close()
        running.append(process)
        return process

    yield launch
    for process in running:
        process.kill()
        process.wait()
