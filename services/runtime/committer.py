"""One service's commits, and what is known of them: the epoch, the doubt after an error, what Redis lost.

After any error of the bus nobody knows whether the last commit took place. The take-over sees that by the
number of our last commit. Redis may come back without what it took last, or empty: then the state goes on
from memory and is stored whole, and what we wrote and Redis lost is written again.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final, Generic

import structlog

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.step import StateT
from services.runtime.bus import Bus, Stored, Write
from services.runtime.engine import Commit
from services.runtime.lately import Said
from services.runtime.left_out import LeftOut
from services.runtime.logs import log_said

COMMIT_IDLE_NS: Final = 1_000 * NS_PER_MS
"""Positions that moved without any effect are written at least this often."""


class Committer(Generic[StateT]):
    """`confirmed` is the state of the last commit that took place, `epoch` the one that is held."""

    def __init__(self, bus: Bus, service: str, initial: StateT) -> None:
        self._bus, self._service = bus, service
        self.epoch = 0
        self.confirmed = initial
        self._stored: StateT | None = None
        """What Redis has of the state, None where it may not have all of it."""
        self._said = Said[Write]()
        self.emptied = False
        self._left_out = LeftOut(service)
        self._committed_ns = 0
        self._log = structlog.get_logger(service=service)

    @property
    def lost(self) -> list[Write] | None:
        """What Redis lost of what we wrote, to be written again with the next commit; else None."""
        return self._said.lost

    def take_over(self) -> tuple[Stored, bool]:
        """Take the epoch. Returns what is stored, and whether the commit in doubt took place.

        Raises all that `Bus.take_over` raises.
        """
        stored = self._bus.take_over(self._service, self.epoch)
        self.epoch = stored.epoch
        if stored.lost:
            self._log.error("redis forgot", commits=stored.commits, acknowledged=self._said.commits)
        took_place = self._said.settle(stored.commits, lost=stored.lost)
        self.emptied = self._said.lost is not None and (self.emptied or stored.emptied)
        return stored, took_place

    def go_on_from(self, state: StateT, *, stored: bool) -> None:
        """The state that was loaded, of which Redis has all where `stored`; else it stores all of it next."""
        self.confirmed, self._stored = state, state if stored else None

    def begin_anew(self) -> None:
        """Time runs back: what was committed before lies ahead."""
        self._committed_ns = 0

    def commit(
        self, commit: Commit[StateT], positions: Mapping[str, str], *, moved: bool, now_ns: int
    ) -> Collection[str] | None:
        """Write what is to be written. Returns the streams that were left out, None where nothing was due.

        Raises all that `Bus.commit` raises.
        """
        parts: dict[str, Any] = {**self._bus.codec.changed(self._stored, commit.state), **commit.fields}
        idle = moved and now_ns - self._committed_ns >= COMMIT_IDLE_NS
        if not (parts or commit.writes or idle):
            return None
        self._said.trying(write for write in commit.writes if write.kept is None)
        left_out = self._bus.commit(
            self._service, self.epoch, parts, positions, commit.writes, commit.before_ms
        )
        self._said.took_place()
        self._stored = self.confirmed = commit.state
        self._committed_ns, self.emptied = now_ns, False
        if left_out:
            self._log.error("outputs left out", streams=left_out)
        for write in commit.writes:
            log_said(self._log, write.envelope)
        return left_out

    def complaints(self, commit: Commit[StateT], left_out: Collection[str]) -> tuple[AlertRaised, ...]:
        """Return what is to be told of outputs that Redis does not take, or takes again."""
        return self._left_out.after([write.key for write in commit.writes], left_out)
