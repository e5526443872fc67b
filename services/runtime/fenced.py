"""Where a process waits whose epoch a newer instance has taken.

It holds nothing any more and writes nothing of its service; people are told by one alert. The newer instance
holds for as long as it lives: its heartbeats are watched. When none has come for `OWNER_SILENT_S` while Redis
answered, the wait is over: the process ends with `EXIT_FENCED`, whatever runs it starts it again, and the new
start takes the epoch, with nothing of the old memory. So two healthy instances never take turns.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import structlog

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.envelope import Envelope, Unreadable
from services.contracts.limits import READ_BLOCK_MS, READ_COUNT
from services.contracts.messages.status import Heartbeat
from services.contracts.streams import ALERTS, STATUS
from services.contracts.terms import Severity
from services.runtime.bus import Bus, BusUnavailable, Entry, Write

OWNER_SILENT_S: Final = 10.0
"""Ten heartbeats: longer than a failover of Redis or a restart by the supervisor, short for a desk."""
REMIND_S: Final = 60.0
RETRY_S: Final = 0.2


@dataclass
class Bystander:
    """One fenced process. `instance` is its name in its own heartbeats."""

    bus: Bus
    service: str
    instance: str
    owner: str = ""
    """The newer instance, as soon as it was heard."""
    _cursor: str = ""
    _told: bool = False
    _heard_s: float = field(default_factory=lambda: time.monotonic())
    _reminded_s: float = field(default_factory=lambda: time.monotonic())

    def wait(self, over: Callable[[], bool]) -> None:
        """Return when the owner has been silent for long enough, or `over()`: told to stop."""
        log = structlog.get_logger(service=self.service)
        log.warning("waiting: another instance holds", silent_for_s=OWNER_SILENT_S)
        while not over():
            try:
                self._look()
            except BusUnavailable:
                self._heard_s = time.monotonic()
                time.sleep(RETRY_S)
            if time.monotonic() - self._heard_s >= OWNER_SILENT_S:
                log.warning("the other instance is silent; ending to be started again", owner=self.owner)
                break
            if time.monotonic() - self._reminded_s >= REMIND_S:
                self._reminded_s = time.monotonic()
                log.info("still waiting: another instance holds", owner=self.owner)
        self._tell(resolved=True)

    def _look(self) -> None:
        """Read what was said since; the time without a heartbeat counts only while Redis answers."""
        if not self._cursor:
            tail = self.bus.tail(STATUS.key, 1)
            self._cursor = tail[-1].entry_id if tail else "0-0"
        cursor = {STATUS.key: self._cursor}
        entries = self.bus.read(cursor, count=READ_COUNT, block_ms=READ_BLOCK_MS)
        quiet = time.monotonic() - self._heard_s > OWNER_SILENT_S / 2
        if quiet and not entries and self.bus.standing([STATUS.key]).anew(cursor):
            self._cursor = "0-0"
        for entry in entries:
            self._cursor = entry.entry_id
        for beat in self._beats(entries):
            self.owner, self._heard_s = beat.instance, time.monotonic()
        if self.owner:
            self._tell(resolved=False)

    def _beats(self, entries: Iterable[Entry]) -> Iterable[Heartbeat]:
        for entry in entries:
            try:
                body = entry.decoded().body
            except Unreadable:
                continue
            if (
                isinstance(body, Heartbeat)
                and body.service == self.service
                and body.instance != self.instance
            ):
                yield body

    def _tell(self, *, resolved: bool) -> None:
        """Raise the alert once, and resolve what was raised; Redis may be away then."""
        if self._told is not resolved:
            return
        alert = raised(
            AlertCode.SECOND_INSTANCE, f"fenced-{self.service}-{self.instance}", Severity.WARNING,
            {"service": self.service, "owner": self.owner, "instance": self.instance}, resolved=resolved,
        )  # fmt: skip
        try:
            told = Envelope.wrap(
                alert, source=self.service, now_ns=self.bus.time_ns(),
                causation_id=f"{alert.alert_id}-{'over' if resolved else 'began'}",
            )  # fmt: skip
            self.bus.append([Write(ALERTS.key, told, ALERTS.kept)])
            self._told = not resolved
        except BusUnavailable:
            return
