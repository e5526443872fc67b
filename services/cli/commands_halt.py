"""What `arb halt` does: the one command that must work whatever else is broken.

It needs an address and nothing more. Where the gateway does not answer it lays the HALT file itself, or says
what to do by hand.
"""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import typer
from rich.markup import escape

from services.cli.desk_addresses import DEFAULT, Named, addresses
from services.cli.faults import EXIT_FAILED, EXIT_INTERRUPTED, UsageFault
from services.cli.gateway_here import GatewayHere, gateways_here, named_halt_file
from services.cli.halting import Attempt, Laid, halt_at, lay_halt_files
from services.cli.options import console, name_or_login, typed
from services.cli.processes import ADDRESS_VARIABLE
from services.cli.terminal import json_text
from services.contracts.messages.control import StopRequested
from services.contracts.terms import TradingState
from services.runtime.visible import visible_line

REASON_CHARS: Final = 2_000
NAME_CHARS: Final = 100
NO_REASON: Final = "no reason given"
AFTERWARDS: Final = (
    "To go on: remove the file, then `arb halt --lift`, `arb preflight`, `arb arm`, each with a reason."
)

Line = tuple[str, str]
"""A style and a sentence."""
WELL, BAD, PLAIN = "green", "red", "default"


def halt_now(reason: str, by: str, redis: str, run: Path, wait_s: float, *, as_json: bool) -> None:
    """Halt at every Redis that could be meant; ends with 0 where each process that must stop says so."""
    request = StopRequested(target=TradingState.HALTED, by=_name(by), reason=_why(reason))
    attempts, interrupted = halt_at(_addresses(redis, run), request, wait_s)
    attempts = [attempt for attempt in attempts if attempt.counts]
    done = all(attempt.done for attempt in attempts)
    broken_off = interrupted and not done
    # A gateway that was not waited for may be about to answer: a file would stop it a second time.
    unheard = [a for a in attempts if not a.gateway_has_it and not (broken_off and a.written)]
    gateways = _gateways_here() if not done else []
    text = f"laid by `arb halt` for {request.by}: {request.reason}"
    laid = lay_halt_files(unheard, gateways, run, text)
    if as_json:
        _print(json_text(_json(attempts, laid, request, done=done)))
    else:
        _show(_lines(attempts, laid, broken_off=broken_off))
    if not done:
        raise typer.Exit(EXIT_INTERRUPTED if broken_off else EXIT_FAILED)


def _name(by: str) -> str:
    try:
        return name_or_login(by)[:NAME_CHARS]
    except UsageFault:
        return "somebody"


def _why(reason: str) -> str:
    return typed(reason)[:REASON_CHARS] or NO_REASON


def _addresses(redis: str, run: Path) -> list[Named]:
    try:
        return addresses(redis, run, os.environ)
    except Exception:
        # Whatever a source holds that nobody thought of: the address that is usual is tried all the same.
        return [Named(redis or os.environ.get(ADDRESS_VARIABLE) or DEFAULT, ("the usual address",))]


def _gateways_here() -> list[GatewayHere]:
    try:
        return gateways_here()
    except Exception:
        # What cannot be seen is laid by hand.
        return []


def _lines(attempts: Sequence[Attempt], laid: Sequence[Laid], *, broken_off: bool) -> list[Line]:
    lines: list[Line] = []
    for attempt in attempts:
        if len(attempts) > 1:
            lines.append((PLAIN, f"At {attempt.address}:"))
        lines += _of_server(attempt)
    if broken_off:
        lines.append((BAD, "The waiting was broken off. A halt that was written holds all the same."))
    lines += [_of_file(each) for each in laid]
    if all(attempt.gateway_has_it for attempt in attempts):
        return lines
    return lines + ([(PLAIN, AFTERWARDS)] if _stops(laid) else _by_hand())


def _of_server(attempt: Attempt) -> list[Line]:
    if attempt.stopping is not None:
        return [(WELL if taken else BAD, line) for taken, line in attempt.stopping.lines()]
    if attempt.written is not None:
        return [(BAD, "The halt is written, and nobody was waited for.")]
    return [(BAD, f"The halt may not have arrived at {attempt.address}: {attempt.problem}")]


def _of_file(laid: Laid) -> Line:
    gateway = laid.gateway
    who = f"the gateway of this machine (process {gateway.pid})"
    if not laid.problem:
        return WELL, f"The HALT file {gateway.halt_file} lies beside {who}: it stops without Redis."
    where, command = "A HALT file", ""
    if gateway.halt_file is not None:
        where, command = f"The HALT file {gateway.halt_file}", f": {_touch(gateway.halt_file, 'sudo ')}"
    return BAD, f"{where} of {who} could not be laid: {laid.problem}. Lay it as its user or root{command}."


def _touch(path: Path, how: str = "") -> str:
    return f"`{how}touch {shlex.quote(str(path))}`"


def _stops(laid: Sequence[Laid]) -> bool:
    return bool(laid) and not any(each.problem for each in laid)


def _by_hand() -> list[Line]:
    """Say how the file is laid on another machine, under the name that our own settings give it."""
    windows = r"`deploy\windows\halt.cmd` on Windows"
    linux = f"{_touch(named_halt_file(os.environ, Path()))} in its folder on Linux"
    return [
        (BAD, f"Lay the file HALT on the gateway's machine: {windows}, {linux}. It stops without Redis."),
        (PLAIN, 'docs/going-live.md, "By hand", has what comes after.'),
    ]


def _json(
    attempts: Sequence[Attempt], laid: Sequence[Laid], request: StopRequested, *, done: bool
) -> dict[str, Any]:
    return {
        "request": request.model_dump(),
        "done": done,
        "servers": [
            {
                "address": attempt.address,
                "written": attempt.written is not None,
                "problem": attempt.problem,
                **({} if attempt.stopping is None else attempt.stopping.as_json()),
            }
            for attempt in attempts
        ],
        "halt_files": [
            {"path": str(each.gateway.halt_file or ""), "pid": each.gateway.pid, "problem": each.problem}
            for each in laid
        ],
    }


def _show(lines: Sequence[Line]) -> None:
    def coloured() -> None:
        for style, text in lines:
            console().print(f"[{style}]{escape(text)}[/]", soft_wrap=True)

    _safely(coloured, "\n".join(visible_line(text) for _, text in lines))


def _print(text: str) -> None:
    _safely(lambda: typer.echo(text), text)


def _safely(show: Callable[[], None], text: str) -> None:
    """Show what became of it; a terminal that cannot write Korean gets codes, one that is gone nothing."""
    try:
        show()
    except Exception:
        with suppress(Exception):
            sys.stderr.write(text.encode("ascii", "backslashreplace").decode() + "\n")
