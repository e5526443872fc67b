"""What keeps the system from being armed, judged from the board alone.

Pure. `preflight` judges from the board, with the next step, and names what risk cannot see of itself: that
it is not there. `asked` judges risk's own answer to a dry request, which is what decides at the arming.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.cli.board import Board
from services.cli.silence import is_detector, known, needed_detectors
from services.contracts.dated import DateFinding
from services.contracts.envelope import Message
from services.contracts.messages.control import ArmingChecked
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import GatewayMode, TradingState

NEEDED = ("gateway", "risk", "executor", "notifier")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a preflight. `detail` says what was found, `mend` what to do where it is not ok.

    One that `warns` deserves a look although nothing is refused for it.
    """

    name: str
    ok: bool
    detail: str
    mend: str = ""
    warns: bool = False


def preflight(board: Board, now_ns: int, services: Sequence[str] = NEEDED) -> tuple[Check, ...]:
    """Return every check, in the order in which a person would mend them.

    What a silent service said last counts for nothing.
    """
    board = known(board, now_ns)
    return (
        _services(board, now_ns, services),
        _builds(board, now_ns),
        _mode(board),
        _halt_file(board),
        _halt(board),
        _connection(board),
        _reconciled(board),
        _reference(board, now_ns),
        *_dates(board),
        _account(board),
        _latches(board),
        _residuals(board),
    )


def asked(answers: Iterable[Message], silence: str) -> Check:
    """Return the check of risk's answer to an `ArmingCheckRequested`; `silence` is why there is none."""
    answer = next((found for found in answers if isinstance(found, ArmingChecked)), None)
    if answer is None:
        return Check("risk's word", False, silence, "Start risk, or look at its log.")
    problems = " ".join(answer.problems)
    return Check("risk's word", not problems, problems or "arming would be obeyed",
                 "Mend what it says; `arb status` shows it too.")  # fmt: skip


def checks_of(found: Iterable[DateFinding], mode: GatewayMode) -> tuple[Check, ...]:
    """Return a check for each subject of a date: not ok where it bars entries in `mode`."""
    return tuple(
        Check(item.subject.value, not item.bars(mode), item.detail, item.mend, warns=item.warns)
        for item in found
    )


def is_clean(checks: Sequence[Check]) -> bool:
    return all(check.ok for check in checks)


def _services(board: Board, now_ns: int, services: Sequence[str]) -> Check:
    detectors = () if any(map(is_detector, services)) else needed_detectors(board)
    every = (*services, *detectors)
    silent = [name for name in every if not board.alive(name, now_ns)]
    detail = f"silent: {', '.join(silent)}" if silent else f"{', '.join(every)} are alive"
    return Check("services", not silent, detail, "Start them (`arb up`), or look at their logs.")


def _builds(board: Board, now_ns: int) -> Check:
    builds = sorted(board.builds(now_ns))
    return Check("one build", len(builds) == 1, ", ".join(builds) or "none seen",
                 "Deploy the same build everywhere and restart.")  # fmt: skip


def _mode(board: Board) -> Check:
    if board.gateway is None:
        return Check("mode", False, "the gateway has not said", "Start the gateway.")
    observing = board.gateway.mode is GatewayMode.OBSERVE
    return Check("mode", not observing, board.gateway.mode.value,
                 "This gateway cannot send orders; set its mode and restart it.")  # fmt: skip


def _halt(board: Board) -> Check:
    if board.state is None:
        return Check("halt", False, "unknown: risk does not say what state the desk is in", "Start risk.")
    halted = board.state is TradingState.HALTED
    return Check("halt", not halted, board.last_stop if halted else "none holds",
                 "Once its cause is mended, `arb halt --lift --reason ...`.")  # fmt: skip


def _halt_file(board: Board) -> Check:
    if board.gateway is None:
        return Check("halt file", False, "unknown: the gateway does not say", "Start the gateway.")
    found = board.gateway.halt_file
    mend = (
        "Remove it on the gateway's machine when trading may go on: every name that begins with halt stops."
    )
    if found == "supervisor":
        mend = "The supervisor lifts its own once the gateway is ready."
    return Check("halt file", not found, found or "none beside the gateway", mend)


def _connection(board: Board) -> Check:
    state = board.connection.state if board.connection else (board.gateway and board.gateway.connection)
    return Check("broker connection", state is ConnectionState.READY, str(state or "unknown"),
                 "Wait until the gateway is ready, or look at its log.")  # fmt: skip


def _reconciled(board: Board) -> Check:
    compared = board.reconciled
    if compared is None:
        return Check("reconciliation", False, "not seen yet", "Wait for the gateway to compare the books.")
    if board.gateway is not None and compared.connection_epoch < board.gateway.connection_epoch:
        return Check("reconciliation", False, "not since the connection began",
                     "Wait for the gateway to compare the books.")  # fmt: skip
    return Check("reconciliation", not compared.differences, "; ".join(compared.differences) or "books agree",
                 "Find out whose the difference is; then `arb latch clear reconciliation_difference "
                 "--reason ...`.")  # fmt: skip


def _reference(board: Board, now_ns: int) -> Check:
    if board.reference is None:
        return Check("reference data", False, "none in force", "Look at risk's log: a file cannot be used.")
    others = sorted(
        name for name, seen in board.services.items()
        if not seen.is_stale(now_ns) and seen.beat.reference_hash not in ("", board.reference_hash)
    )  # fmt: skip
    enabled = sum(entry.enabled for entry in board.reference.symbols)
    detail = f"{board.reference_hash[:8]}, {enabled} symbols for {board.reference.trading_date}"
    if others:
        detail += f"; other data at {', '.join(others)}"
    return Check("reference data", not others and enabled > 0, detail,
                 "Wait a moment; if it stays so, `arb limits reload`.")  # fmt: skip


def _dates(board: Board) -> tuple[Check, ...]:
    """What the gateway says of the trading date; a gateway that says nothing is named by `_mode`."""
    return () if board.gateway is None else checks_of(board.gateway.dates, board.gateway.mode)


def _account(board: Board) -> Check:
    if board.account is None:
        return Check("account", False, "not reported yet", "Wait for the gateway to ask the broker.")
    return Check("account", board.account.orderable_krw > 0, f"{board.account.orderable_krw:,} KRW orderable",
                 "Put cash into the account.")  # fmt: skip


def _latches(board: Board) -> Check:
    names = ", ".join(sorted(board.latches))
    if board.state is None:
        detail = f"unknown: risk does not say; last: {names or 'none'}"
        return Check("latches", False, detail, "Start risk.")
    return Check("latches", not names, names or "none",
                 "Mend the cause, then `arb latch clear NAME --reason ...`.")  # fmt: skip


def _residuals(board: Board) -> Check:
    said = board.executor_last
    held = () if said is None else said.stranded
    marked = {mark.symbol for mark in board.stranded.values()}
    names = ", ".join(sorted(marked | {row.symbol for row in held}))
    if board.executor is None:
        detail = f"unknown: the executor does not say; last: {names or 'none'}"
        return Check("stranded positions", False, detail, "Start the executor.")
    return Check("stranded positions", not names, names or "none",
                 "`arb residual list` names them; `arb flatten` or `arb residual resolve`.")  # fmt: skip
