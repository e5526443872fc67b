"""Reference data: what is in force, made from files, limits that a person changed, and the day's facts.

Risk owns it. A refresh is taken whole or not at all; a bad one leaves what holds. A limit changed by
hand holds over a restart and over a reload, until limits.toml itself says something else.
"""

from typing import Final

from pydantic import ValidationError

from services.contracts.in_force import Reference
from services.contracts.messages.control import (
    ReferencePublished,
    ReferenceReloadRequested,
)
from services.contracts.reference import SymbolEntry
from services.contracts.step import Outgoing, Step
from services.contracts.terms import GatewayMode, Symbol
from services.contracts.threshold import THRESHOLD
from services.contracts.trading_limits import TradingLimits, tightens
from services.risk import alerts
from services.risk.observed import FilesRead, FilesRefused
from services.risk.state import ReloadAsked, RiskState

UNKNOWN_WHY: Final = "limits.toml does not say every limit"


def on_files(state: RiskState, files: FilesRead, cause_id: str) -> Step[RiskState]:
    """Take new files in, and publish what is in force if it changed or a person asked.

    The first files of a process are held against what was in force before it, and each difference is told.
    """
    before, said = limits_in_force(state), files.limits
    files, waiting = _without_looser_limits(state, files)
    table = files.threshold
    files, looser_rows = _without_looser_rows(state, files)
    waiting += looser_rows
    out: list[Outgoing] = [Outgoing(alerts.files_good())] if state.files_bad and not waiting else []
    if waiting and not state.files_bad:
        out.append(Outgoing(alerts.files_refused(waiting, in_force=True)))
    overrides = _still_held(state, files.limits)
    dropped = _dropped_overrides(state, overrides, files.limits)
    if dropped:
        out.append(Outgoing(alerts.overrides_dropped(cause_id, dropped)))
    first = not state.differences_told
    state = state.but(
        files=files, overrides=overrides, files_bad=bool(waiting), reload=None, differences_told=True,
        table_waits=table if looser_rows else None,
    )  # fmt: skip
    step = publish(state, files.by, files.reason, always=files.asked, notes=waiting)
    differences = _differences(before, said, limits_in_force(step.state)) if first else ()
    if differences:
        out.append(Outgoing(alerts.limits_differ(differences)))
    return Step(step.state, (*out, *step.out))


def limits_in_force(state: RiskState) -> TradingLimits | None:
    """Return the limits that were published last, None before any were."""
    return None if state.reference is None else state.reference.limits


def _differences(
    before: TradingLimits | None, said: TradingLimits, now: TradingLimits | None
) -> tuple[str, ...]:
    """How the file's limits differ from those that were in force before it, and what holds now."""
    if before is None or now is None:
        return ()
    return tuple(
        f"{name}: {getattr(before, name)} was in force, limits.toml says {getattr(said, name)}, "
        f"{getattr(now, name)} holds now"
        for name in TradingLimits.model_fields
        if getattr(said, name) != getattr(before, name)
    )


def _waits_for_people(state: RiskState) -> bool:
    """Whether what allows more waits for two persons also while the desk is disarmed.

    What held in live mode once will again: a gateway that observes meanwhile lets nothing in.
    """
    return state.was_live or state.mode not in (GatewayMode.OBSERVE, GatewayMode.SIMULATED)


def _until(state: RiskState) -> str:
    return "" if _waits_for_people(state) else "until the desk is disarmed, or "


def _holds(state: RiskState) -> bool:
    """Whether what allows more than now must not come from a file alone."""
    return state.reference is not None and (state.trading.state.allows_exits or _waits_for_people(state))


def unknown_limits(state: RiskState) -> tuple[str, ...]:
    """Return the limits at their strictest because no file has said them yet."""
    return () if state.files is None else state.files.unknown


def _without_looser_limits(state: RiskState, files: FilesRead) -> tuple[FilesRead, tuple[str, ...]]:
    """The files with every limit that allows more left as the last file had it, and a sentence for each.

    One person with an editor must not do what takes two with `arb`: at any time once the limits have held in
    live mode, else while the desk may trade. What waits comes into force by a proposal and its confirmation,
    and the file agrees then; a limit that nobody had said before was in force for nobody and does not wait.
    """
    in_force = limits_in_force(state)
    if in_force is None or not _holds(state):
        return files, ()
    last, after = in_force if state.files is None else state.files.limits, files.limits
    looser = [
        name
        for name in TradingLimits.model_fields
        if getattr(after, name) != getattr(last, name)
        and not tightens(name, in_force, after)
        and name not in unknown_limits(state)
    ]
    if not looser:
        return files, ()
    kept = {name: getattr(last, name) for name in looser}
    try:
        limits = TradingLimits.model_validate({**after.model_dump(), **kept})
    except ValidationError:
        limits = last
    if _limits_with(limits, _still_held(state, limits)) is None:
        limits = last
    waiting = tuple(
        f"limits.toml, {name}: {getattr(in_force, name)} -> {getattr(after, name)} allows more; it waits "
        f"{_until(state)}for `arb limits set` and a second person"
        for name in looser
    )
    return files.model_copy(update={"limits": limits}), waiting


def _without_looser_rows(state: RiskState, files: FilesRead) -> tuple[FilesRead, tuple[str, ...]]:
    """The files with the threshold table left as it was where a row of theirs lets a smaller edge pass.

    It waits as a limit does, and as a whole: a table is one measurement.
    """
    if state.reference is None or not _holds(state):
        return files, ()
    before = state.reference.threshold
    waiting = tuple(
        f"threshold.toml, {name}: {old} -> {new} allows more; the table waits {_until(state)}for "
        f"`arb limits set {THRESHOLD} {files.threshold.hash}` and a second person"
        for name, old, new in files.threshold.looser_than(before)
    )
    return (files.model_copy(update={"threshold": before}) if waiting else files), waiting


def _still_held(state: RiskState, limits: TradingLimits) -> dict[str, str]:
    """Of the limits changed by hand those that hold on under the file's `limits`.

    A file that says something else replaces them. Where what allows more must not come from a file alone it
    does not replace one that allows less than the file: that would loosen it, and nobody has confirmed that.
    """
    if not state.overrides or state.files is None:
        return state.overrides
    in_force = _limits_with(state.files.limits, state.overrides)
    if in_force is not None and limits == state.files.limits:
        return state.overrides
    if in_force is None or not _holds(state):
        return {}
    return {name: value for name, value in state.overrides.items() if not tightens(name, in_force, limits)}


def _dropped_overrides(state: RiskState, held: dict[str, str], limits: TradingLimits) -> tuple[str, ...]:
    """Limits set by hand that hold no more; one that the file says as well is no news."""
    in_force = limits_in_force(state)
    gone = sorted(state.overrides.keys() - held.keys())
    return tuple(name for name in gone if getattr(in_force, name, None) != getattr(limits, name))


def on_refused(state: RiskState, refused: FilesRefused) -> Step[RiskState]:
    """Keep what is in force and tell which line is wrong.

    Where nothing is in force the other files hold, with the limits that nobody has said at their strictest:
    what is held can be sold, and nothing can be bought.
    """
    alert = Outgoing(alerts.files_refused(refused.problems, in_force=state.reference is not None))
    if not state.reference_hash and refused.instead is not None:
        state = state.but(files=refused.instead)
    state = state.but(files_bad=True, reload=None)
    step = publish(state, refused.by, UNKNOWN_WHY) if unknown_limits(state) else Step(state)
    return Step(step.state, (alert, *step.out))


def on_reload(state: RiskState, request: ReferenceReloadRequested, cause_id: str) -> RiskState:
    asked: RiskState = state.but(reload=ReloadAsked(request.by, request.reason, cause_id))
    return asked


def publish(
    state: RiskState, by: str, reason: str, *, always: bool = False, notes: tuple[str, ...] = ()
) -> Step[RiskState]:
    """Make the reference anew and publish it if it differs from what is in force.

    A person is told first of a symbol that left the map and is kept because it is held.
    """
    reference = _composed(state)
    if reference is None:
        return Step(state)
    reference_hash = reference.hash
    if reference_hash == state.reference_hash and not always:
        return Step(state)
    kept = _kept(state, reference)
    notes = (*notes, *(f"{symbol} is not in symbol_map.csv and held: it stays, off, until it is sold"
                       for symbol in sorted(kept)))  # fmt: skip
    published = ReferencePublished(
        reference=reference, reference_hash=reference_hash, by=by, reason=reason, notes=notes
    )
    told = [alerts.symbol_kept(symbol, over=symbol not in kept) for symbol in sorted(kept ^ state.kept)]
    out: tuple[Outgoing, ...] = (*map(Outgoing, told), Outgoing(published))
    dropped = _dropped(state, reference)
    if dropped and dropped != _dropped(state, state.reference):
        out += (Outgoing(alerts.not_eligible(reference.trading_date, dropped)),)
    return Step(state.but(reference=reference, reference_hash=reference_hash, kept=kept), out)


def _kept(state: RiskState, reference: Reference) -> frozenset[Symbol]:
    """The symbols of `reference` that the desk's file does not name any more."""
    named = {entry.krx_code for entry in state.files.symbols} if state.files is not None else set()
    return frozenset(entry.krx_code for entry in reference.symbols) - named


def _composed(state: RiskState) -> Reference | None:
    files = state.files
    if files is None:
        return None
    limits = _limits_with(files.limits, state.overrides)
    symbols = tuple(
        entry.model_copy(update={"enabled": False}) if _why_off(state, files, entry) else entry
        for entry in files.symbols
    )
    composed = Reference(
        trading_date=files.trading_date, symbols=symbols, costs=files.costs, limits=limits or files.limits,
        threshold=files.threshold,
    )  # fmt: skip
    return composed.keeping(state.reference, (pair.symbol for pair in state.pairs.values()))


def _why_off(state: RiskState, files: FilesRead, entry: SymbolEntry) -> str:
    """Why the day takes a symbol of the file off, in plain words; empty where it does not.

    The broker's list of funds decides over the file: a fund that the file calls a share would be taxed
    and stepped as one. Where the broker has not said which symbols are funds, no fund is traded.
    """
    if entry.market.is_fund and files.funds_closed:
        return files.funds_closed
    if entry.market not in files.costs:
        return f"the ticks of {entry.market} are not known"
    facts = state.venue.facts
    if facts is None or facts.trading_date != files.trading_date:
        return ""
    if entry.krx_code not in facts.nxt_eligible:
        return "NXT does not trade it"
    if facts.funds is None:
        return "the broker has not said whether it is a fund" if entry.market.is_fund else ""
    if entry.market.is_fund is not (entry.krx_code in facts.funds):
        said = "a fund" if entry.krx_code in facts.funds else "no fund"
        return f"the broker lists it as {said}, symbol_map.csv as {entry.market}"
    return ""


def _dropped(state: RiskState, reference: Reference | None) -> tuple[str, ...]:
    """The symbols that the desk's file enables and `reference` does not: name, code and why."""
    if state.files is None or reference is None or reference.trading_date != state.files.trading_date:
        return ()
    enabled = {entry.krx_code for entry in reference.symbols if entry.enabled}
    return tuple(
        f"{entry.name} ({entry.krx_code}): {_why_off(state, state.files, entry)}"
        for entry in state.files.symbols
        if entry.enabled and entry.krx_code not in enabled
    )


def _limits_with(limits: TradingLimits, overrides: dict[str, str]) -> TradingLimits | None:
    """The limits with overrides put on, or None where the two no longer agree."""
    try:
        return TradingLimits.model_validate({**limits.model_dump(), **overrides})
    except ValidationError:
        return None
