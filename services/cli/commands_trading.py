"""Commands that change what the desk allows: states, flatten, residuals, latches, acknowledgements."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from services.cli.board import Board
from services.cli.commands_halt import halt_now
from services.cli.commands_watch import checks_json, print_checks, whole_preflight
from services.cli.faults import EXIT_FAILED, Fault, UnknownName, UsageFault
from services.cli.link import Link
from services.cli.options import (
    DEFAULT_RUN,
    DEFAULT_WAIT_S,
    RUN_HELP,
    ByOption,
    JsonOption,
    ReasonOption,
    RedisOption,
    RunOption,
    WaitOption,
    agree,
    console,
    may_ask,
    name_or_login,
    open_desk,
    print_json,
    reason_or_ask,
    typed,
)
from services.cli.preflight import is_clean
from services.cli.requests import Outcome, ask
from services.cli.silence import open_rows, require_word, silence_of
from services.cli.snapshot import board_now
from services.cli.steering import state_request
from services.cli.stops import Stopping, ask_stop
from services.cli.wording import krw
from services.cli.wording import shares as shares_of
from services.contracts.messages.control import (
    AlertAcknowledged,
    FlattenRequested,
    HaltLiftRequested,
    LatchClearRequested,
    ResidualClaimed,
    StopRequested,
    TradingStateRequested,
)
from services.contracts.reference import SymbolEntry
from services.contracts.terms import GatewayMode, Latch, Severity, TradingState
from services.runtime.visible import visible_line

STEER_PANEL = "Steer"
SUPERVISOR = "supervisor"
"""The HALT file that goes by itself."""
ONCE_SILENT_S = 0.2
RunAsItIs = Annotated[Path, typer.Option("--run", metavar="FOLDER", readable=False, help=RUN_HELP)]
"""A run folder of another user holds no halt back."""
AS_TYPED: Final = {"ignore_unknown_options": True, "allow_extra_args": True}
"""A word that nobody understands holds no halt back."""

residual_app = typer.Typer(no_args_is_help=True, help="Positions that could not be sold: list, resolve.")
latch_app = typer.Typer(no_args_is_help=True, help="Stops that only a person lifts.")


LoosenOption = Annotated[bool, typer.Option("--loosen", help="Meant also where the desk is stricter now.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before more is allowed.")]


def arm(
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before arming live trading.")] = False,
) -> None:  # fmt: skip
    """Allow everything: new pairs, next clips, sells. Refused unless the preflight is clean.

    A stop that comes after this look, also while the question waits, refuses it.
    """
    reason, by = reason_or_ask(reason), name_or_login(by)
    link = open_desk(redis, run)
    checks, board = whole_preflight(link, by, wait)
    if not is_clean(checks):
        if as_json:
            print_json({"done": False, "refused": True, **checks_json(checks)})
        else:
            print_checks(checks, as_json=False)
        raise typer.Exit(EXIT_FAILED)
    _show_last_stop(board)
    if board.gateway is not None and board.gateway.mode is GatewayMode.LIVE and not yes:
        agree(f"Trade account {visible_line(board.gateway.account)} with real money?")
    request = TradingStateRequested(
        target=TradingState.ARMED, by=by, reason=reason, stop_count=board.stop_count
    )
    finish(ask(link, request, wait), as_json)


def pause(
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False, yes: YesOption = False,
    loosen: LoosenOption = False,
) -> None:  # fmt: skip
    """Nothing new: the open clip of each pair completes, sells go on."""
    _reach(TradingState.PAUSE_ENTRY, reason, by, redis, run, wait, as_json, yes=yes, loosen=loosen)


def reduce(
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False, yes: YesOption = False,
    loosen: LoosenOption = False,
) -> None:  # fmt: skip
    """Only sells, cancels and flattens; no further clip."""
    _reach(TradingState.REDUCE_ONLY, reason, by, redis, run, wait, as_json, yes=yes, loosen=loosen)


def halt(
    context: typer.Context,
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunAsItIs = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
    lift: Annotated[bool, typer.Option("--lift", help="End the halt; the desk is disarmed then.")] = False,
    yes: YesOption = False,
) -> None:  # fmt: skip
    """Stop everything now: the gateway sends only cancels. It asks nothing and needs only an address.

    Where the gateway does not answer, the HALT file is laid beside it, or you are told how. A halt holds over
    pauses, arming and trading dates; `arb halt --lift` alone ends it.
    """
    if not lift:
        halt_now(reason or " ".join(context.args), by, redis, run, wait, as_json=as_json)
        return
    if context.args:
        raise UsageFault(f"{' '.join(context.args)!r} is not understood", "See `arb halt --help`.")
    _lift(reason, by, redis, run, wait, as_json, yes=yes)


def disarm(
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Back to the state of a morning: nothing but cancels. A halt is stricter and stays."""
    _stop(TradingState.DISARMED, reason, by, redis, run, wait, as_json)


def flatten(
    symbol: Annotated[str, typer.Argument(help="Six-character code; default: all.", show_default=False)] = "",
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Sell what open pairs and stranded positions hold, also while halted or disarmed."""
    reason, by = reason_or_ask(reason), name_or_login(by)
    link = open_desk(redis, run)
    board, now_ns = board_now(link)
    file = board.gateway.halt_file if board.gateway is not None else ""
    if file not in ("", SUPERVISOR):
        raise Fault(f"refused: {file} lies beside the gateway, which sends only cancels",
                    "Remove it on the gateway's machine, then `arb flatten` again.")  # fmt: skip
    every, silence = open_rows(board, now_ns)
    held = [row for row in every if symbol in ("", row.symbol)]
    known = {row.symbol for row in held} | {entry.krx_code for entry in symbols_of(board)}
    if symbol and known and symbol not in known:
        raise UnknownName(f"nobody trades {symbol!r} here", symbol, known, "arb status")
    outcome = ask(link, FlattenRequested(symbol=symbol, by=by, reason=reason), wait)
    rows = [
        f"{row.pair_id}  {row.symbol}  {row.state}, {shares_of(row.uncovered_shares)} to sell" for row in held
    ]
    of = f" of {symbol}" if symbol else ""
    none = [] if rows else [f"The executor reports no open pair and no stranded position{of}."]
    if silence is not None:
        none = [f"What is held now is not known: {silence.words}."]
    finish(outcome, as_json, [*none, *rows])


def symbols_of(board: Board) -> tuple[SymbolEntry, ...]:
    """Return the symbols in force, none where risk has published no reference data."""
    return tuple(board.reference.symbols) if board.reference is not None else ()


def ack(
    alert_id: Annotated[str, typer.Argument(help="As `arb status` and Slack show it.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every alert that nobody has acknowledged.")] = False,
    reason: Annotated[str, typer.Option("--reason", "-r", help="What was done about it.")] = "",
    by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Acknowledge an alert, or all that are open, so that it is not repeated; Slack is told who has it."""
    if every is bool(alert_id):
        raise UsageFault("say which alert, or --all", "`arb status` shows the open ones.")
    link = open_desk(redis, run)
    board, now_ns = board_now(link)
    known = _unacknowledged(board)
    if not known or (alert_id and alert_id not in known):
        require_word(board, "notifier", now_ns, "which alerts are open")
    if alert_id and alert_id not in known:
        raise UnknownName(f"no open alert {alert_id!r}", alert_id, list(known), "arb status")
    name, chosen = name_or_login(by), known if every else (alert_id,)
    requests = [AlertAcknowledged(alert_id=each, by=name, reason=typed(reason)) for each in chosen]
    outcomes: list[Outcome] = []
    for request in requests:  # where nobody answers, one full wait says so as well as twenty
        silent = bool(outcomes) and not outcomes[-1].done
        outcomes.append(ask(link, request, min(wait, ONCE_SILENT_S) if silent else wait))
    if every:
        finish_all(chosen, outcomes, as_json)
    else:
        finish(outcomes[0], as_json)


def _unacknowledged(board: Board) -> tuple[str, ...]:
    """Return the ids of open alerts: those in the stream's end, and older ones that the notifier holds.

    Not of what is only told for information: nobody is asked for anything there.
    """
    held = () if board.notifier is None else board.notifier.unacknowledged
    shown = (alert.alert_id for alert in board.open_alerts() if alert.severity is not Severity.INFO)
    return tuple(dict.fromkeys([*shown, *held]))


@residual_app.command("list")
def residual_list(redis: RedisOption = "", run: RunOption = DEFAULT_RUN, as_json: JsonOption = False) -> None:
    """Name every stranded position, what it cost, and why it could not be sold.

    Exit code 1 where the executor is silent: then it names those that are known of.
    """
    board, now_ns = board_now(open_desk(redis, run))
    rows = stranded_of(board)
    silence = silence_of(board, "executor", now_ns)
    if as_json:
        print_json({"known": silence is None, "positions": rows})
        raise typer.Exit(EXIT_FAILED if silence else 0)
    _print_stranded(rows, known=silence is None)
    require_word(board, "executor", now_ns, "what is stranded now")


def _print_stranded(rows: Sequence[dict[str, str | int]], *, known: bool) -> None:
    if not rows and known:
        console().print("No stranded position.")
    for row in rows:
        console().print(
            f"{row['pair_id']}  {row['symbol']}  {shares_of(int(row['qty_shares']))} that cost "
            f"{krw(int(row['cost_krw']))} KRW: {escape(str(row['why']))}; {escape(str(row['next_try']))}",
            soft_wrap=True,
        )
    if rows:
        console().print("`arb flatten` tries again; sold by hand, claim it with `arb residual resolve PAIR`.",
                        soft_wrap=True)  # fmt: skip


@residual_app.command("resolve")
def residual_resolve(
    pair_id: Annotated[str, typer.Argument(help="As `arb residual list` names it.")],
    amount: Annotated[int, typer.Option(help="KRW received, after commission and tax.", min=0)],
    shares: Annotated[int, typer.Option(help="Shares sold by hand; default: all of it.", min=0)] = 0,
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Claim a stranded position that a person sold by hand."""
    reason, by = reason_or_ask(reason), name_or_login(by)
    link = open_desk(redis, run)
    qty_shares = shares or _stranded_shares(link, pair_id)
    request = ResidualClaimed(pair_id=pair_id, qty_shares=qty_shares, amount_krw=amount, by=by, reason=reason)
    finish(ask(link, request, wait), as_json)


@latch_app.command("clear")
def latch_clear(
    latch: Annotated[Latch, typer.Argument(help="Which stop.")],
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Lift a latch, once its cause is mended."""
    reason, by = reason_or_ask(reason), name_or_login(by)
    link = open_desk(redis, run)
    board, _ = board_now(link)
    request = LatchClearRequested(latch=latch, by=by, reason=reason, stop_count=board.stop_count)
    finish(ask(link, request, wait), as_json)


def finish(outcome: Outcome, as_json: bool, more: Sequence[str] = ()) -> None:
    """Print what was answered, and `more` below it; exit 1 where it was refused or nobody answered."""
    if as_json:
        print_json(outcome.as_json())
    else:
        style = "red" if outcome.refused or not outcome.done else "green"
        for line in outcome.lines():
            console().print(f"[{style}]{escape(line)}[/]", soft_wrap=True)
        for line in more:
            console().print(escape(line), soft_wrap=True)
    if outcome.refused or not outcome.done:
        raise typer.Exit(EXIT_FAILED)


def finish_stop(stopping: Stopping, as_json: bool) -> None:
    """Print who has taken a stop in and who has not; exit 1 where one of them has not."""
    if as_json:
        print_json(stopping.as_json())
    else:
        for taken, line in stopping.lines():
            console().print(f"[{'green' if taken else 'red'}]{escape(line)}[/]", soft_wrap=True)
    if not stopping.done:
        raise typer.Exit(EXIT_FAILED)


def finish_all(names: Sequence[str], outcomes: Sequence[Outcome], as_json: bool) -> None:
    """Print what was answered to each, by name; exit 1 where nobody answered one of them."""
    if as_json:
        print_json([outcome.as_json() for outcome in outcomes])
    else:
        named = zip(names, outcomes, strict=True)
        lines = [f"{name}: {line}" for name, outcome in named for line in outcome.lines()]
        console().print("\n".join(map(escape, lines)) or "No open alert.", soft_wrap=True)
    if not all(outcome.done for outcome in outcomes):
        raise typer.Exit(EXIT_FAILED)


def stranded_of(board: Board) -> list[dict[str, str | int]]:
    """Return the stranded positions: those the executor reported last, with the reason of their mark."""
    rows: dict[str, dict[str, str | int]] = {}
    for mark in board.stranded.values():
        rows[mark.pair_id] = {
            "pair_id": mark.pair_id, "symbol": mark.symbol, "qty_shares": mark.qty_shares,
            "cost_krw": mark.cost_krw, "why": f"{mark.reason}: {mark.detail}", "next_try": "not reported yet",
        }  # fmt: skip
    said = board.executor_last
    for pair in said.stranded if said is not None else ():
        known: dict[str, str | int] = {"why": pair.why or pair.state, **rows.get(pair.pair_id, {})}
        rows[pair.pair_id] = {
            **known, "pair_id": pair.pair_id, "symbol": pair.symbol,
            "qty_shares": pair.uncovered_shares, "cost_krw": pair.uncovered_krw, "next_try": pair.next_try,
        }  # fmt: skip
    return list(rows.values())


def add_to(app: typer.Typer) -> None:
    for command in (arm, pause, reduce, halt, disarm, flatten, ack):
        settings = AS_TYPED if command is halt else None
        app.command(rich_help_panel=STEER_PANEL, context_settings=settings)(command)
    app.add_typer(residual_app, name="residual", rich_help_panel=STEER_PANEL)
    app.add_typer(latch_app, name="latch", rich_help_panel=STEER_PANEL)


def _stop(
    target: TradingState, reason: str, by: str, redis: str, run: RunOption, wait: float, as_json: bool
) -> None:
    """Stop without a look at anything."""
    request = StopRequested(target=target, by=name_or_login(by), reason=reason_or_ask(reason))
    finish_stop(ask_stop(open_desk(redis, run), request, wait), as_json)


def _reach(
    target: TradingState, reason: str, by: str, redis: str, run: RunOption, wait: float, as_json: bool,
    *, yes: bool, loosen: bool,
) -> None:  # fmt: skip
    """Go to a state that stops; where the desk is stricter already, only if a person means that.

    Raises:
        UsageFault: it would allow more, and nobody is there to be asked.
    """
    reason, by = reason_or_ask(reason), name_or_login(by)
    link = open_desk(redis, run)
    board, _ = board_now(link)
    request = state_request(board, target, by, reason)
    if isinstance(request, StopRequested):
        finish_stop(ask_stop(link, request, wait), as_json)
        return
    if not (loosen or may_ask() or board.state is TradingState.HALTED):
        raise UsageFault(f"refused: the desk is {board.state}, which is stricter than {target}",
                         "Add --loosen where more is meant to be allowed.")  # fmt: skip
    _agree_to_more(board, yes=yes or loosen)
    finish(ask(link, request, wait), as_json)


def _show_last_stop(board: Board) -> None:
    """Show on standard error the stop that a request for more rests on."""
    if board.last_stop:
        typer.echo(f"Stopped last: {visible_line(board.last_stop)}", err=True)


def _agree_to_more(board: Board, *, yes: bool) -> None:
    """Show what stopped the desk and ask the person at a terminal; a script is shown it alone."""
    _show_last_stop(board)
    if may_ask() and not yes:
        agree(f"The desk is {board.state}: allow more than that?")


def _lift(reason: str, by: str, redis: str, run: RunOption, wait: float, as_json: bool, *, yes: bool) -> None:
    reason, by = reason_or_ask(reason), name_or_login(by)
    link = open_desk(redis, run)
    board, _ = board_now(link)
    _agree_to_more(board, yes=yes)
    outcome = ask(link, HaltLiftRequested(by=by, reason=reason, stop_count=board.stop_count), wait)
    file = "" if board.gateway is None else board.gateway.halt_file
    more = f"{file} still lies beside the gateway, which sends only cancels: remove it there as well."
    finish(outcome, as_json, (more,) if file not in ("", "supervisor") else ())


def _stranded_shares(link: Link, pair_id: str) -> int:
    board, now_ns = board_now(link)
    rows = {row["pair_id"]: row for row in stranded_of(board)}
    if pair_id not in rows:
        require_word(board, "executor", now_ns, "what is stranded now")
        raise UsageFault(
            f"{pair_id} is no stranded position; known are {', '.join(map(str, rows)) or 'none'}",
            "Look at `arb residual list`.",
        )
    return abs(int(rows[pair_id]["qty_shares"]))
