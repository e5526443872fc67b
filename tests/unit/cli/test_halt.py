"""`arb halt` goes out whatever else is broken: each file and variable in turn, and where Redis is away."""

import os
import shutil
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.desk_addresses import DEFAULT, addresses, place_of
from services.cli.link import Link, open_link
from services.contracts.messages.control import StopRequested
from services.contracts.streams import STOPS, state_key
from tests.unit.cli.takers import Takers

CONFIG = Path(__file__).parents[3] / "config"
ADDRESS = "ARB_RUNTIME_REDIS_URL"
AWAY = "redis://127.0.0.1:1/0"
KOREAN = "가격 오류"
IN_CP949 = KOREAN.encode("cp949").decode("utf-8", "surrogateescape")
CUT_OFF = KOREAN.encode()[:-1].decode("utf-8", "surrogateescape")


@pytest.fixture
def link(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    """A desk whose address stands in its `runtime.toml` alone."""
    shutil.copytree(CONFIG, tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ADDRESS, raising=False)
    monkeypatch.delenv("ARB_CONFIG_DIR", raising=False)
    runtime(f'redis_url = "{redis_url}"\n')
    opened = open_link(redis_url)
    opened.client.flushall()
    yield opened
    opened.close()


def runtime(text: str) -> None:
    Path("config/runtime.toml").write_bytes(text.encode("utf-8", "surrogateescape"))


def more(line: str) -> Callable[[str], None]:
    return lambda url: runtime(f'redis_url = "{url}"\n{line}\n')


def dotenv(text: str, encoding: str = "utf-8") -> Callable[[str], None]:
    return lambda url: void(Path(".env").write_bytes(text.format(url=url).encode(encoding)))


def alone_in(text: str, encoding: str) -> Callable[[str], None]:
    """The address stands in `.env` and nowhere else."""

    def write(url: str) -> None:
        shutil.rmtree("config")
        dotenv(text, encoding)(url)

    return write


def stack(text: str) -> Callable[[str], None]:
    def write(url: str) -> None:
        Path("run").mkdir()
        Path("run/stack.json").write_text(text)

    return write


def variable(name: str, value: str) -> Callable[[str], None]:
    return lambda url: os.environ.__setitem__(name, value)


def void(_: object) -> None:
    """Say nothing."""


BROKEN: dict[str, Callable[[str], None]] = {
    "a misspelt key": more("metricsport = 9101"),
    "a number out of range": more("metrics_port = 99999"),
    "a line without a value": more("groups"),
    "a comment in another encoding": more("# \udcbc\udcb3"),
    "another file that is no TOML": lambda url: void(Path("config/limits.toml").write_text("=")),
    "the symbol map is a folder": lambda url: Path("config/symbol_map.csv").rename("config/gone"),
    "no configuration but a line in .env": alone_in("ARB_RUNTIME_REDIS_URL={url}", "utf-8"),
    ".env in code page 949": alone_in("# 설정\nARB_RUNTIME_REDIS_URL='{url}' # 주소\n", "cp949"),
    ".env in UTF-16": alone_in("ARB_RUNTIME_REDIS_URL={url}\n", "utf-16"),
    ".env with a list that is no JSON": dotenv("ARB_RUNTIME_GROUPS=g1,g2\n"),
    ".env is a folder": lambda url: Path(".env").mkdir(),
    "a stack file cut off": stack('{"redis_url": "re'),
    "a stack file of another build": stack('{"pid": 7}'),
    "a variable that is no setting": variable("ARB_RUNTIME_METRICSPORT", "9101"),
    "a variable with a wrong value": variable("ARB_RUNTIME_GROUPS", "g1"),
    "a gateway variable with a wrong value": variable("ARB_GATEWAY_MODE", "lively"),
    "an address that is none": variable(ADDRESS, "redis:/nowhere"),
}  # fmt: skip


def halt(*words: str) -> Result:
    return CliRunner().invoke(app, ["halt", "--wait", "0.1", *words], prog_name="arb")


def halts_on(link: Link) -> list[StopRequested]:
    read = link.follow([STOPS.key]).drain()
    return [item.message for item in read if isinstance(item.message, StopRequested)]


@pytest.mark.parametrize("what", BROKEN)
def test_a_halt_is_written_with_one_thing_broken(
    link: Link, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    BROKEN[what](link.url)
    result = halt("--reason", "stop", "--by", "kim")
    assert [(stop.by, stop.reason) for stop in halts_on(link)] == [("kim", "stop")], result.output


@pytest.mark.parametrize(
    ("words", "by", "reason"),
    [
        (("--by", "kim", "--reason", IN_CP949), "kim", KOREAN),
        (("--by", "kim", "--reason", CUT_OFF), "kim", None),
        (("--by", IN_CP949, "--reason", "stop"), KOREAN, "stop"),
        (("--by", "kim", "--reason", "\ud800"), "kim", None),
        (("--by", "kim"), "kim", "no reason given"),
        (("--by", "kim", "wrong", "prices"), "kim", "wrong prices"),
        (("--by", "kim", "--resaon", "stop"), "kim", None),
        (("--by", "kim", "--reason", "x" * 400_000), "kim", None),
    ],
)
def test_a_halt_is_written_however_its_person_writes(
    link: Link, words: tuple[str, ...], by: str, reason: str | None
) -> None:
    halt(*words)
    (stop,) = halts_on(link)
    assert stop.by == by and stop.reason == (reason or stop.reason)


def test_a_halt_is_written_where_nobody_knows_who_asks(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    halt()
    assert [stop.by for stop in halts_on(link)] == ["somebody"]


def test_a_lifting_takes_no_word_that_it_does_not_know(link: Link) -> None:
    assert halt("--lift", "now", "--reason", "over").exit_code == 2


def test_each_server_that_a_source_names_is_halted(link: Link) -> None:
    other = link.url + "?db=3"
    desk = open_link(other)
    for each in (link, desk):
        each.client.hset(state_key("gateway"), "epoch", "1")
    Path(".env").write_text(f"{ADDRESS}={other}\n")
    result = halt("--reason", "stop")
    assert len(halts_on(link)) == len(halts_on(desk)) == 1
    assert ".env" in result.output and "runtime.toml" in result.output


def test_a_server_where_no_desk_ever_was_is_left_alone(link: Link) -> None:
    other = link.url + "?db=3"
    Path(".env").write_text(f"{ADDRESS}={link.url}\n")
    runtime(f'redis_url = "{other}"\n')
    with Takers(link.url, "gateway"):
        halt("--reason", "stop")
    assert halts_on(link) and not halts_on(open_link(other))


def test_an_address_is_found_once_however_it_is_spelt(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f'export {ADDRESS}="redis://:pw@LOCALHOST/0"\n')
    named = addresses("", Path("run"), {ADDRESS: "redis://127.0.0.1:6379"}, tmp_path)
    assert [(each.url, each.sources) for each in named] == [
        ("redis://127.0.0.1:6379", (ADDRESS, ".env")),
    ]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "runtime.toml").write_text('"redis_url" = "redis://c"\n', encoding="utf-8")
    found = addresses("", Path("run"), {ADDRESS.lower(): "redis://b"}, tmp_path)
    assert [each.url for each in found][::2] == ["redis://b", "redis://c"], "as the services find it"
    assert addresses("", Path("run"), {}, tmp_path / "empty")[0].url == DEFAULT
    assert [each.url for each in addresses("redis://a", Path("run"), {ADDRESS: "redis://b"}, tmp_path)] == [
        "redis://a"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "HOST=10.0.0.7\nARB_RUNTIME_REDIS_URL=redis://${HOST}:6380/2\n",
        "ARB_RUNTIME_REDIS_URL=redis://${DESK_HOST}:${PORT:-6380}/2  # of the desk\n",
        '\ufeffARB_RUNTIME_REDIS_URL="redis://\\"u\\":pw@10.0.0.7:6380/2"\n',
        'OTHER="never closed\nARB_RUNTIME_REDIS_URL=redis://10.0.0.7:6380/2\n= no line\n',
        'ARB_RUNTIME_REDIS_URL="redis://10.0.0.7:6380/2" and more\n',
        "export arb_runtime_redis_url='redis://10.0.0.7:6380/2",
    ],
    ids=["a value of the file", "a variable", "escaped quotes", "broken lines", "more behind it", "cut off"],
)
def test_an_address_in_dotenv_is_found_as_services_find_it_or_as_it_stands(tmp_path: Path, text: str) -> None:
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    (named,) = addresses("", Path("run"), {"DESK_HOST": "10.0.0.7"}, tmp_path)
    assert place_of(named.url) == ("10.0.0.7", 6380, "2")


class OldRedis(socketserver.StreamRequestHandler):
    """Knows the streams of Redis 5 and nothing later."""

    def handle(self) -> None:
        while head := self.rfile.readline():
            words = []
            for _ in range(int(head[1:])):
                words.append(self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2])
            self.wfile.write(self.answer(words))

    def answer(self, words: list[bytes]) -> bytes:
        name = words[0].upper()
        if name == b"XADD":
            self.server.taken.append(words)  # type: ignore[attr-defined]
            return b"$3\r\n1-0\r\n"
        if name == b"XREAD":
            return b"*-1\r\n"
        return b"-ERR unknown command\r\n"


def test_a_halt_is_written_to_any_redis_that_has_streams(link: Link) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OldRedis) as server:
        server.taken = []  # type: ignore[attr-defined]
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        halt("--reason", "stop", "--redis", f"redis://127.0.0.1:{server.server_address[1]}/0")
        server.shutdown()
        assert [words[1].decode() for words in server.taken] == [STOPS.key]  # type: ignore[attr-defined]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A process that stands for a gateway which hangs: what it was started with, and nothing more."""
    started: list[subprocess.Popen[bytes]] = []

    def start(address: str) -> Path:
        file = tmp_path / "desk" / "HALT"
        file.parent.mkdir()
        environ = {**os.environ, ADDRESS: address, "ARB_GATEWAY_HALT_FILE": str(file)}
        command = [sys.executable, "-S", "-c", "import time; print(1, flush=True); time.sleep(60)"]
        process = subprocess.Popen([*command, "services.gateway"], env=environ, stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline()
        started.append(process)
        return file

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_halt_without_redis_lays_the_file_of_the_gateway_here(
    link: Link, gateway: Callable[[str], Path]
) -> None:
    file = gateway(AWAY)
    result = halt("--reason", "stop", "--redis", AWAY)
    assert file.is_file() and str(file) in result.output and result.exit_code == 1


def test_a_silent_gateway_here_is_stopped_by_its_file(link: Link, gateway: Callable[[str], Path]) -> None:
    file = gateway(link.url)
    halt("--reason", "stop")
    assert file.is_file() and halts_on(link)


def test_a_gateway_of_another_desk_or_one_that_answered_keeps_going(
    link: Link, gateway: Callable[[str], Path]
) -> None:
    file = gateway(link.url)
    halt("--reason", "stop", "--redis", AWAY)
    with Takers(link.url, "gateway"):
        halt("--reason", "stop", "--wait", "5")
    assert not file.exists()


def test_a_file_that_cannot_be_laid_is_told_with_its_command(
    link: Link, gateway: Callable[[str], Path]
) -> None:
    file = gateway(AWAY)
    file.parent.rmdir()
    file.parent.write_text("no folder")
    result = halt("--reason", "stop", "--redis", AWAY)
    assert f"touch {file}" in result.output and result.exit_code == 1


def test_breaking_the_waiting_off_leaves_the_halt(link: Link) -> None:
    follower = link.follow([STOPS.key])

    def break_off() -> None:
        while not follower.read(50):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=break_off, daemon=True).start()
    result = halt("--reason", "stop", "--wait", "50")
    assert result.exit_code == 130 and "holds all the same" in result.output
    assert len(halts_on(link)) == 1


def test_a_terminal_without_korean_letters_does_not_hold_a_halt_back(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = CliRunner(charset="ascii").invoke(app, ["halt", "--wait", "0.1", "--reason", KOREAN])
    assert result.exit_code == 1 and halts_on(link)
