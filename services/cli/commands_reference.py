"""Commands about what is traded and within which bounds: `limits`, `symbols`."""

import difflib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape

from services.cli.board import Board
from services.cli.commands_trading import STEER_PANEL, finish, finish_stop
from services.cli.faults import Fault, UnknownName, UsageFault
from services.cli.options import (
    DEFAULT_RUN,
    DEFAULT_WAIT_S,
    ByOption,
    JsonOption,
    ReasonOption,
    RedisOption,
    RunOption,
    WaitOption,
    configuration,
    console,
    name_or_login,
    open_desk,
    print_json,
    reason_or_ask,
)
from services.cli.requests import ask
from services.cli.silence import require_word, silence_of
from services.cli.snapshot import board_now
from services.cli.stops import ask_stop
from services.cli.wording import proposal_words
from services.contracts.in_force import Reference
from services.contracts.messages.control import (
    LimitChangeRequested,
    LimitConfirmRequested,
    LimitProposal,
    ReferenceReloadRequested,
    SymbolPauseRequested,
    SymbolResumeRequested,
)
from services.contracts.terms import Symbol
from services.contracts.threshold import THRESHOLD
from services.contracts.trading_limits import TradingLimits, tightens
from services.market.files import PILOT_FILE, SYMBOL_MAP_FILE, load_listing, read_text
from services.market.symbols import import_pilot, parse_symbol_map
from services.runtime.settings import RuntimeSettings, load_settings

limits_app = typer.Typer(no_args_is_help=True, help="The bounds of trading: show, set, confirm, reload.")
symbols_app = typer.Typer(
    no_args_is_help=True, help="The shares that are traded: import, show, pause, resume."
)


def _limit_names() -> list[str]:
    return sorted((*TradingLimits.model_fields, THRESHOLD))


@limits_app.command("show")
def limits_show(redis: RedisOption = "", run: RunOption = DEFAULT_RUN, as_json: JsonOption = False) -> None:
    """Show the limits and the threshold table in force, as risk published them."""
    board, now_ns = board_now(open_desk(redis, run))
    reference = _in_force(board)
    proposals = () if board.risk_last is None else board.risk_last.proposals
    values = reference.limits.model_dump(mode="json")
    if as_json:
        print_json({
            "reference_hash": reference.hash, "trading_date": reference.trading_date, **values,
            "threshold": reference.threshold.model_dump(mode="json"),
            "proposals": [proposal.model_dump() for proposal in proposals],
            "known": silence_of(board, "risk", now_ns) is None,
        })  # fmt: skip
    else:
        _print_limits(reference, proposals)
    require_word(board, "risk", now_ns, "whether this is still in force")


def _print_limits(reference: Reference, proposals: Iterable[LimitProposal]) -> None:
    values = reference.limits.model_dump(mode="json")
    defaults = TradingLimits().model_dump(mode="json")
    console().print(f"[dim]reference {reference.hash[:8]} for {reference.trading_date}[/]")
    for name, value in values.items():
        note = "" if value == defaults[name] else f"  [yellow](default {defaults[name]})[/]"
        console().print(f"{name:<28} {value}{note}")
    for name, row in reference.threshold.rows.items():
        console().print(f"{'threshold ' + name:<28} {escape(f'{row}: {row.source}')}", soft_wrap=True)
    for proposal in proposals:
        console().print(f"[yellow]waits:[/] {escape(proposal_words(proposal))}", soft_wrap=True)


@limits_app.command("set")
def limits_set(
    name: Annotated[str, typer.Argument(help="As `arb limits show` names it.", autocompletion=_limit_names)],
    value: Annotated[str, typer.Argument(help="The new value; the hard ceilings stay.")],
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Change one limit, until limits.toml is changed. What allows more waits for a second person.

    `threshold` and the hash that risk names let in the table of threshold.toml that waits."""
    if name not in _limit_names():
        raise UnknownName(f"there is no limit {name!r}", name, _limit_names(), "arb limits show")
    reason, by = reason_or_ask(reason), name_or_login(by)
    link = open_desk(redis, run)
    board, _ = board_now(link)
    request = LimitChangeRequested(name=name, value=value, by=by, reason=reason, stop_count=board.stop_count)
    finish(ask(link, request, wait, lasting=_only_tightens(board, name, value)), as_json)


@limits_app.command("confirm")
def limits_confirm(
    proposal_id: Annotated[str, typer.Argument(help="As `arb limits set` and `arb limits show` name it.")],
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Stand by a proposal of somebody else, which puts it in force."""
    reason, by = reason_or_ask(reason), name_or_login(by)
    link = open_desk(redis, run)
    shown = board_now(link)[0].stop_count
    request = LimitConfirmRequested(proposal_id=proposal_id, by=by, reason=reason, stop_count=shown)
    finish(ask(link, request, wait), as_json)


@limits_app.command("reload")
def limits_reload(
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Have risk read symbol map, costs and limits from its files again."""
    request = ReferenceReloadRequested(by=name_or_login(by), reason=reason_or_ask(reason))
    finish(ask(open_desk(redis, run), request, wait), as_json)


@symbols_app.command("show")
def symbols_show(redis: RedisOption = "", run: RunOption = DEFAULT_RUN, as_json: JsonOption = False) -> None:
    """Show the symbols in force, as risk published them."""
    board, now_ns = board_now(open_desk(redis, run))
    entries = _in_force(board).symbols
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
    for entry in () if as_json else entries:
        off = "" if entry.enabled else "  [yellow]not enabled[/]"
        console().print(f"{entry.krx_code}  {entry.group:<4} {entry.market:<6} {escape(entry.name)}{off}")
    require_word(board, "risk", now_ns, "whether this is still in force")


@symbols_app.command("import")
def symbols_import(
    pilot: Annotated[
        Path | None, typer.Argument(help=f"List of tickers; default: {PILOT_FILE} of the configuration.")
    ] = None,
    groups: Annotated[
        str, typer.Option(help="Groups to deal the shares to, by commas; default: all of runtime.toml.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Make symbol_map.csv from the desk's pilot list. Nothing is written unless all of it is good."""
    config = configuration()
    source, target = pilot or config / PILOT_FILE, config / SYMBOL_MAP_FILE
    names = group_names(groups)
    fresh = import_pilot(read_text(source), load_listing(config), names, source.name)
    count = len(parse_symbol_map(fresh, target.name, names))
    while True:
        before = _text_of(target)
        changes = list(
            difflib.unified_diff(before.splitlines(), fresh.splitlines(), str(target), "new", "", n=0)
        )
        if not changes:
            console().print(f"{target} is already what {source.name} makes: nothing to write.")
            return
        for line in changes:
            console().print(escape(line), soft_wrap=True)
        if dry_run or not (yes or typer.confirm(f"Write {target}?")):
            return
        if _text_of(target) == before:
            break
        console().print(f"[yellow]{target} was changed meanwhile: this is the difference now.[/]")
    _replace(target, fresh)
    console().print(f"{target}: {count} symbols. Bring it into force with `arb limits reload --reason ...`.")


@symbols_app.command("pause")
def symbols_pause(
    symbol: Annotated[str, typer.Argument(help="Six-character code.")],
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """No new pair of one symbol."""
    _pause(True, symbol, reason, by, redis, run, wait, as_json)


@symbols_app.command("resume")
def symbols_resume(
    symbol: Annotated[str, typer.Argument(help="Six-character code.")],
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Trade a paused symbol again; the reason says whose the unknown order was."""
    _pause(False, symbol, reason, by, redis, run, wait, as_json)


def add_to(app: typer.Typer) -> None:
    app.add_typer(limits_app, name="limits", rich_help_panel=STEER_PANEL)
    app.add_typer(symbols_app, name="symbols", rich_help_panel=STEER_PANEL)


def _only_tightens(board: Board, name: str, value: str) -> bool:
    """Whether a limit would take away from what is in force, so that it is obeyed at any age."""
    if board.reference is None or name == THRESHOLD:
        return False
    before = board.reference.limits
    try:
        after = TradingLimits.model_validate({**before.model_dump(), name: value})
    except ValidationError:
        return False
    return tightens(name, before, after)


def _pause(
    paused: bool, symbol: str, reason: str, by: str, redis: str, run: Path, wait: float, as_json: bool
) -> None:
    reason, by = reason_or_ask(reason), name_or_login(by)
    link = open_desk(redis, run)
    board, _ = board_now(link)
    known = [entry.krx_code for entry in _in_force(board).symbols]
    if symbol not in known:
        what = f"{symbol!r} is not in the symbol map in force"
        raise UnknownName(what, symbol, known, "arb symbols show")
    code = Symbol(symbol)
    if paused:
        finish_stop(ask_stop(link, SymbolPauseRequested(symbol=code, by=by, reason=reason), wait), as_json)
        return
    resume = SymbolResumeRequested(symbol=code, by=by, reason=reason, stop_count=board.stop_count)
    finish(ask(link, resume, wait), as_json)


def _in_force(board: Board) -> Reference:
    reference = board.reference
    if reference is None:
        raise Fault("no reference data are in force: risk has published none",
                    "Start risk (`arb up`) and look at its log.")  # fmt: skip
    return reference


def group_names(text: str) -> list[str]:
    """Return the groups that a person listed by commas, all of runtime.toml where none is listed.

    Raises:
        UsageFault: one is named twice (it would be dealt shares twice over), or no service reads it.
    """
    known = load_settings(RuntimeSettings).groups
    if not text:
        return list(known)
    names = [name.strip() for name in text.split(",") if name.strip()]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise UsageFault(f"--groups names {', '.join(doubled)} more than once", "Name each group once.")
    strangers = sorted(set(names) - set(known))
    if strangers:
        raise UsageFault(f"no service reads the quotes of {', '.join(strangers)}",
                         f"Name every group in `groups` of runtime.toml first; there are {', '.join(known)}."
        )  # fmt: skip
    if not names:
        raise UsageFault("--groups names no group", "Name at least one, like `--groups g1,g2`.")
    return names


def _text_of(file: Path) -> str:
    return read_text(file) if file.is_file() else ""


def _replace(target: Path, text: str) -> None:
    """Write the file so that a reader sees the old one or the new one, never a part."""
    fresh = target.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    if target.exists():
        shutil.copymode(target, fresh)
    else:
        fresh.chmod(0o644)
    fresh.replace(target)
