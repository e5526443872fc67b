"""`arb halt` and the HALT file on a desk of real processes: with one of them hanging, and over TLS."""

import codecs
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.cli.app import app
from services.contracts.messages.control import StopTaken, TradingStateChanged
from services.contracts.messages.orders import OrderSent
from services.contracts.messages.status import GatewayStatus, RiskStatus
from services.contracts.terms import TradingState
from tests.support.live_desk import GATEWAY, HALT_FILE, SYMBOLS, LiveDesk

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(240)]
DESK = LiveDesk


def halt(desk: LiveDesk, *words: str, redis: str = "") -> Result:
    command = ["halt", "--by", "kim", "--reason", "wrong prices", "--run", str(desk.folder), *words]
    return CliRunner().invoke(app, [*command, "--redis", redis or desk.redis.url], prog_name="arb")


def cross(desk: LiveDesk) -> None:
    desk.inject("cross", code=SYMBOLS[0], venue="NXT", bps=60, ms=2_000, shares=500)


def stays_quiet(desk: LiveDesk, mark: int) -> None:
    """Two seconds of a good cross, and a status after it: no order has left."""
    cross(desk)
    at_ns = desk.link.bus.time_ns() + 2_500_000_000
    desk.until(lambda: desk.link.bus.time_ns() > at_ns, "the cross is over")
    desk.wait(GatewayStatus, lambda m: True, desk.mark())
    assert not [item for item in desk.heard[mark:] if isinstance(item.message, OrderSent)]


def test_a_halt_is_done_when_gateway_executor_and_risk_have_it(desk: LiveDesk) -> None:
    result = halt(desk, "--wait", "20")
    assert result.exit_code == 0, result.output
    assert [line.split(":")[0] for line in result.output.splitlines()] == ["gateway main", "executor", "risk"]


def test_a_gateway_that_hangs_is_stopped_by_its_file(desk: LiveDesk) -> None:
    mark = desk.mark()
    desk.freeze(GATEWAY)
    result = halt(desk, "--wait", "1")
    file = desk.folder / "HALT"
    try:
        assert result.exit_code == 1 and "gateway: no answer" in result.output, result.output
        assert file.is_file() and str(file) in result.output
        desk.thaw(GATEWAY)
        desk.wait(StopTaken, lambda m: m.service == GATEWAY and m.state is TradingState.HALTED, mark)
        stays_quiet(desk, mark)
    finally:
        desk.thaw(GATEWAY)
        file.unlink(missing_ok=True)


def test_a_halt_without_risk_is_told_as_that(desk: LiveDesk) -> None:
    desk.freeze("risk")
    result = halt(desk, "--wait", "2")
    assert result.exit_code == 1 and "gateway main: halted" in result.output
    assert "risk: no answer" in result.output and not (desk.folder / "HALT").exists()


def test_a_halt_file_refuses_and_leaves_the_desk_disarmed(desk: LiveDesk) -> None:
    file = desk.folder / HALT_FILE
    file.touch()
    desk.wait(RiskStatus, lambda m: any(HALT_FILE in gate for gate in m.gates))
    assert desk.newest(TradingStateChanged).state is TradingState.DISARMED  # type: ignore[union-attr]
    assert HALT_FILE in desk.arb("preflight", code=1)
    assert HALT_FILE in desk.arb("arm", "--reason", "go", code=1)
    result = CliRunner().invoke(app, ["flatten", "--reason", "sell", "--redis", desk.redis.url])
    assert result.exit_code == 1 and str(file) in result.output
    mark = desk.mark()
    file.unlink()
    desk.wait(GatewayStatus, lambda m: not m.halt_file)
    stays_quiet(desk, mark)
    desk.armed()
    desk.traded(SYMBOLS[1])


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return a certificate of this machine, and a server's context with it."""
    key, file = folder / "key.pem", folder / "certificate.pem"
    options = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    command = ["openssl", *options.split(), "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(file)], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file, key)
    return file, context


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)


@contextmanager
def in_front(desk: LiveDesk, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve the desk's Redis on a port of this machine; yields host and port. With a context it is TLS."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(urlsplit(desk.redis.url).path)
                if context is not None:
                    client = context.wrap_socket(client, server_side=True)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_a_halt_goes_out_over_tls(desk: LiveDesk, tmp_path: Path) -> None:
    file, context = certificate(tmp_path)
    with in_front(desk, context) as place:
        result = halt(desk, "--wait", "20", redis=f"rediss://{place}/0?ssl_ca_certs={file}")
    assert result.exit_code == 0, result.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_halts_a_desk_of_another_one(desk: LiveDesk) -> None:
    """Neither the run folder nor the gateway's environment can be read."""
    desk.freeze(GATEWAY)
    with in_front(desk) as place:
        said = _as_nobody(lambda: halt(desk, "--wait", "1", redis=f"redis://{place}/0").output)
    desk.thaw(GATEWAY)
    assert "executor: halted" in said and "gateway: no answer" in said
    assert "may not see which file" in said and "as its user or root" in said
    assert not (desk.folder / "HALT").exists()


def _as_nobody(call: Callable[[], str]) -> str:
    """Return what `call` returns in a process of a user who owns nothing."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for name in (
                "utf-8-sig",
                "cp949",
                "idna",
            ):  # of an interpreter in root's folder
                codecs.lookup(name)
            os.setgroups([])
            os.setgid(65_534)
            os.setuid(65_534)
            os.write(write, call().encode())
        except BaseException as error:
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        said = told.read()
    os.waitpid(child, 0)
    return said
