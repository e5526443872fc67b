"""Options that many commands share, spelled and explained once."""

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.faults import Fault, UsageFault
from services.cli.link import Link, address_in_use, open_link
from services.cli.processes import REDIS
from services.cli.stack import Stack
from services.cli.terminal import Terminal, json_text
from services.runtime.settings import config_dir

RedisOption = Annotated[
    str,
    typer.Option("--redis", metavar="URL", help="Redis address; default: ARB_RUNTIME_REDIS_URL, the running "
                 "stack's, or config/runtime.toml.", show_default=False),
]  # fmt: skip
RUN_HELP = "Folder of logs, sockets and the record of what runs."
RunOption = Annotated[Path, typer.Option("--run", metavar="FOLDER", help=RUN_HELP)]
ReasonOption = Annotated[
    str, typer.Option("--reason", "-r", help="Why; kept in the journal. Asked for on a terminal.")
]
ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who asks; default: the login user.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
WaitOption = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0.1,
        max=60,
        help="How long to wait for the answer. What allows more is waited for until it is decided or has "
        "expired.",
    ),
]
DEFAULT_RUN = Path("run")
DEFAULT_WAIT_S = 3.0


def console(*, stderr: bool = False) -> Terminal:
    """Return a console that writes where the command's output goes now."""
    return Terminal(stderr=stderr, highlight=False)


def open_desk(redis: str, run: Path = DEFAULT_RUN) -> Link:
    """Return a line to the Redis that a command means.

    Raises:
        Fault: it does not answer; where a stack runs without it, says how that goes on.
    """
    try:
        return open_link(address_in_use(redis, run))
    except UsageFault:
        raise
    except Fault as fault:
        raise Fault(fault.what, ("" if redis else _without_redis(run)) or fault.mend) from fault


def _without_redis(run: Path) -> str:
    """What to do where the stack of a run folder has lost its Redis; empty where none runs."""
    stack = Stack.attach(run)
    if stack is None or not stack.alive:
        return ""
    if REDIS in stack.processes and REDIS not in stack.alive:
        again = f"`arb down{run_option(run)}`, then `arb up{run_option(run)}`"
        return f"Its Redis ended, and the services wait for it: {again}; they go on from what it kept."
    return "Start that server again: the services wait for it."


def run_option(run: Path) -> str:
    """Return how a person adds the run folder to a command, empty where it is the usual one."""
    return "" if run == DEFAULT_RUN else f" --run {run}"


def configuration() -> Path:
    """Return the configuration folder, absolute.

    Raises:
        UsageFault: there is none.
    """
    folder = config_dir().resolve()
    if not folder.is_dir():
        raise UsageFault(f"there is no configuration folder {folder}",
                         "Run `arb` in the project's folder, or set ARB_CONFIG_DIR.")  # fmt: skip
    return folder


def check_writable(option: str, path: Path | None) -> None:
    """Refuse what could not be written before a day was spent on it."""
    if path is None or str(path) == "-":
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageFault(f"{option} {path}: there is no folder {folder}", "Make it first.")
    if path.is_dir():
        raise UsageFault(f"{option} {path} is a folder", "Name a file in it.")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageFault(f"{option} {path}: this user may not write there", "Name another file.")


def may_ask() -> bool:
    """Return whether a person is there to answer a question."""
    return sys.stdin.isatty()


def agree(question: str) -> None:
    """Ask a person, and go on after a yes alone.

    Raises:
        Fault: the answer is no.
        typer.Abort: no answer, by Ctrl-C or a closed terminal; `ArbGroup` says what that means.
    """
    if not typer.confirm(question, err=True):
        raise Fault("nothing was done: the answer was no")


def reason_or_ask(reason: str) -> str:
    """Return the reason given, or ask for it on a terminal.

    Raises:
        UsageFault: none given and nobody to ask.
    """
    if not reason.strip() and may_ask():
        reason = str(typer.prompt("Reason", err=True))
    if not reason.strip():
        raise UsageFault("a reason is needed", 'Add --reason "why".')
    return typed(reason)


def name_or_login(by: str) -> str:
    """Return the name given, or that of the login user.

    Raises:
        UsageFault: the system does not say who that is.
    """
    if by.strip():
        return typed(by)
    try:
        return typed(getpass.getuser())
    except (OSError, KeyError) as error:
        raise UsageFault("nobody knows who asks", "Add --by NAME.") from error


def typed(text: str) -> str:
    """Return what a person typed, as text that can be written down.

    A terminal that sends code page 949 to a host in UTF-8 leaves bytes that Python keeps as halves of
    characters: those are read as what they are, and what is nothing is replaced.
    """
    raw = text.strip().encode("utf-8", "surrogateescape" if _is_bytes(text) else "replace")
    for encoding in ("utf-8", "cp949"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "replace")


def _is_bytes(text: str) -> bool:
    """Whether every half of a character in it stands for a byte."""
    halves = (character for character in text if "\ud800" <= character <= "\udfff")
    return all("\udc80" <= half <= "\udcff" for half in halves)


def print_json(value: Any) -> None:
    """Print one JSON value, for scripts: no colour, no wrapping."""
    typer.echo(json_text(value))
