"""What a command says when it cannot do its work: what, where, and how to mend it.

Exit codes: 1 the work failed or a check is not clean, 2 the command line or the configuration
cannot be used (the same code that services end with), 130 stopped by Ctrl-C or
another signal.
"""

import difflib
from collections.abc import Iterable
from typing import Any

import typer
from typer.core import TyperGroup

from services.cli.terminal import Terminal
from services.market.errors import ConfigError, NotCovered
from services.runtime.bus import BusUnavailable
from services.runtime.parts import StateUnreadable
from services.runtime.redis_server import NoRedis
from services.runtime.settings import SettingsError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class Fault(Exception):
    """A failure that a person can mend. `mend` is one sentence that starts with a verb."""

    def __init__(self, what: str, mend: str = "", code: int = EXIT_FAILED) -> None:
        super().__init__(what)
        self.what, self.mend, self.code = what, mend, code


class UsageFault(Fault):
    """The command line or the configuration cannot be used as it is."""

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(what, mend, EXIT_USAGE)


class Interrupted(Fault):
    """A person stopped the command, by Ctrl-C or by closing the terminal."""

    def __init__(self, what: str) -> None:
        super().__init__(what, code=EXIT_INTERRUPTED)


class UnknownName(UsageFault):
    """A name that is not there; names the nearest ones."""

    def __init__(self, what: str, name: str, known: Iterable[str], see: str) -> None:
        near = difflib.get_close_matches(name, list(known), 3)
        super().__init__(what, f"Did you mean {' or '.join(near)}?" if near else f"See `{see}`.")


class ArbGroup(TyperGroup):
    """The root command: turns known failures into words and an exit code, everything else is a defect."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Fault as fault:
            _say(fault)
            raise typer.Exit(fault.code) from fault
        except typer.Abort as error:  # every question comes before what it is about
            typer.echo(err=True)
            _say(Interrupted("nothing was done: the question was not answered"))
            raise typer.Exit(EXIT_INTERRUPTED) from error
        except (SettingsError, ConfigError, NotCovered) as error:
            _say(UsageFault(str(error)))
            raise typer.Exit(EXIT_USAGE) from error
        except (BusUnavailable, NoRedis) as error:
            _say(Fault(str(error), "Start it with `arb up`, or name another with `--redis URL`."))
            raise typer.Exit(EXIT_FAILED) from error
        except StateUnreadable as error:
            _say(Fault(str(error)))
            raise typer.Exit(EXIT_FAILED) from error


def _say(fault: Fault) -> None:
    console = Terminal(stderr=True, soft_wrap=True, highlight=False)
    console.print(f"[bold red]error:[/] {_plain(fault.what)}")
    if fault.mend:
        console.print(f"  {_plain(fault.mend)}")


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
