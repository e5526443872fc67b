"""The journal's disk is full: new pairs wait, what is open is sold, and with room again nothing is missing.

The kernel refuses the notifier every byte past the size its files have reached, as a full disk would, and
takes the limit away again. All processes are real.
"""

import resource
from functools import partial
from pathlib import Path

import pytest

from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.pairs import PairApproved, PairDenied
from services.contracts.messages.status import NotifierStatus, RiskStatus
from services.contracts.reasons import DenialReason
from services.contracts.streams import PAIRS
from services.contracts.terms import TradingState
from services.notifier.journal_chain import verify
from services.notifier.journal_folder import dates_in
from services.notifier.journal_reader import read_lines
from tests.support.journal_lines import gaps_of
from tests.support.live_desk import CROSS_BPS, CROSS_MS, DETECTOR, GATEWAY, SYMBOLS, LiveDesk

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(200)]
NOTIFIER = "notifier"
DESK = partial(LiveDesk, services=(GATEWAY, "risk", "executor", DETECTOR, NOTIFIER))
CLOSES_S, OPENS_S = 60.0, 60.0


def may_write(desk: LiveDesk, size: int) -> None:
    """Let no file of the notifier grow past `size` bytes (-1: any size)."""
    pid = desk.stack.processes[NOTIFIER].record.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def waits_for_the_journal(status: RiskStatus) -> bool:
    return any("journal" in gate for gate in status.gates)


def test_a_full_disk_holds_new_pairs_back_and_with_room_again_nothing_is_missing(desk: LiveDesk) -> None:
    desk.traded(SYMBOLS[0])
    mark = desk.mark()
    may_write(desk, 0)
    desk.wait(AlertRaised, lambda m: m.alert_id == "journal-stopped", mark)
    desk.wait(RiskStatus, waits_for_the_journal, mark, deadline_s=CLOSES_S)
    denied = desk.mark()
    while not desk.since(denied, PairDenied):
        desk.inject("cross", code=SYMBOLS[1], venue="NXT", bps=CROSS_BPS, ms=CROSS_MS, shares=500)
        desk.read(2_500)
    assert desk.since(denied, PairApproved) == []
    assert {m.reason for m in desk.since(denied, PairDenied)} == {DenialReason.NOT_READY}
    status = desk.newest(RiskStatus)
    assert status is not None and status.state is TradingState.ARMED and status.latches == ()

    may_write(desk, resource.RLIM_INFINITY)
    healed = desk.mark()
    desk.wait(RiskStatus, lambda m: not waits_for_the_journal(m), healed, deadline_s=OPENS_S)
    desk.traded(SYMBOLS[2])
    desk.wait(NotifierStatus, lambda m: m.journal_lag_ms == 0, desk.mark())

    root = desk.folder / "journal"
    in_redis = [entry.entry_id for entry in desk.link.bus.tail(PAIRS.key, 10_000)]
    desk.until(lambda: journalled(root) == in_redis, "every pair is in the journal, once")
    assert [verdict for verdict in verify(root) if verdict.broken] == []
    assert [gap for date in dates_in(root) for gap in gaps_of(root / date, PAIRS)] == []


def journalled(root: Path) -> list[str]:
    return [line.entry_id for date in dates_in(root) for line in read_lines(root / date, PAIRS)]
