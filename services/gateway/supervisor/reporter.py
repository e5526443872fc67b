"""What the supervisor says, from a thread of its own: to Redis while it takes alerts, else to Slack itself.

The watch never waits for a network. An alert that Slack took directly goes to Redis as well once it is
back, as a note for the journal that rings no bell a second time.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from services.contracts.alert_text import Language, in_language
from services.contracts.envelope import Envelope, Message
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.supervision import SupervisorStatus
from services.contracts.streams import ALERTS, DEAD, STATUS, home_of, key_of
from services.contracts.terms import Severity
from services.runtime.bus import BusUnavailable, Write
from services.runtime.left_out import LeftOut
from services.runtime.redis_bus import RedisBus
from services.runtime.slack import Delivered, Failed, Outcome, RetryAfter
from services.runtime.slack_blocks import SIGN_OVER, SIGNS, Payload, alert_blocks, escaped

SOURCE: Final = "gateway-supervisor"
REPORTS: Final = (ALERTS.key, STATUS.key, DEAD.key)
"""What tells people: a service goes on where Redis does not take it."""
KEPT: Final = 200
"""Alerts that wait; the oldest go first, and the log has all of them."""
TRY_REDIS_S: Final = 1.0
RETRY_S: Final = (1.0, 2.0, 5.0, 15.0, 60.0)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alert that is not where it belongs yet. `slack`: Slack has it."""

    alert: AlertRaised
    since_s: float
    number: int
    slack: bool = False


class Reporter(threading.Thread):
    """`tell` and `status` hand over and return at once. `post` is None where no webhook is configured."""

    def __init__(
        self,
        open_bus: Callable[[], RedisBus],
        post: Callable[[Payload], Outcome] | None,
        *,
        redis_away_s: int,
        repeat_s: int,
        host: str,
        language: Language = Language.ENGLISH,
    ) -> None:
        super().__init__(name="reporter", daemon=True)
        self._open_bus, self._post = open_bus, post
        self._redis_away_s, self._repeat_s, self._host = redis_away_s, repeat_s, host
        self._language = language
        self._bus: RedisBus | None = None
        self._wake = threading.Condition()
        self._waiting: deque[Waiting] = deque(maxlen=KEPT)
        self._newest: SupervisorStatus | None = None
        self._posted: dict[tuple[str, bool], float] = {}
        self._number = self._failures = 0
        self._not_before_s = 0.0
        self._reached_s = time.monotonic()
        self._tried_s = 0.0
        self._ending = self._no_alerts = False
        self._left_out = LeftOut(SOURCE)
        self._log = structlog.get_logger(service=SOURCE)

    # -- for the watch -----------------------------------------------------------------------

    def tell(self, alert: AlertRaised) -> None:
        with self._wake:
            self._number += 1
            self._waiting.append(Waiting(alert, time.monotonic(), self._number))
            self._wake.notify()

    def status(self, status: SupervisorStatus) -> None:
        with self._wake:
            self._newest = status
            self._wake.notify()

    @property
    def redis_away_s(self) -> int:
        """For how many seconds Redis has not taken what we wrote."""
        return int(time.monotonic() - self._reached_s)

    def finish(self, within_s: float) -> None:
        """Say what waits, for at most so long, and end."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        self.join(within_s)

    # -- the thread --------------------------------------------------------------------------

    def run(self) -> None:
        while True:
            with self._wake:
                if self._ending and not self._waiting:
                    return
                self._wake.wait(0.25)
            try:
                self._to_redis()
                self._to_slack()
            except Exception:
                self._log.exception("the reporter failed")
                time.sleep(1)

    def _to_redis(self) -> None:
        with self._wake:
            status, self._newest = self._newest, None
            waiting = list(self._waiting)
        if status is None and not waiting:
            return
        if (
            time.monotonic() - self._tried_s < TRY_REDIS_S
            and time.monotonic() - self._reached_s > TRY_REDIS_S
        ):
            return
        self._tried_s = time.monotonic()
        try:
            if self._bus is None:
                self._bus = self._open_bus()
            now_ns = self._bus.time_ns()
            writes = [self._write(_noted(item), f"{item.number}", now_ns) for item in waiting]
            if status is not None:
                writes.append(self._write(status, "status", now_ns))
            self._bus.append(writes)
            unwritable = self._bus.standing(REPORTS).unwritable(REPORTS)
        except BusUnavailable as error:
            self._log.warning("bus unavailable", error=str(error), waiting=len(waiting))
            return
        self._reached_s = time.monotonic()
        self._tell_left_out(unwritable)
        if ALERTS.key in unwritable:
            return
        with self._wake:
            self._waiting = deque((item for item in self._waiting if item.number > _last(waiting)), KEPT)

    def _tell_left_out(self, unwritable: Sequence[str]) -> None:
        """What Redis does not take of the services, they cannot tell through it."""
        self._no_alerts = ALERTS.key in unwritable
        for alert in self._left_out.after(REPORTS, unwritable):
            self._log.error("redis takes nothing there", stream=alert.facts["stream"], over=alert.resolved)
            self.tell(alert)

    def _to_slack(self) -> None:
        """What has waited long enough for Redis, the most serious first."""
        now_s = time.monotonic()
        away = self._no_alerts or self.redis_away_s >= self._redis_away_s
        if self._post is None or now_s < self._not_before_s or not away:
            return
        with self._wake:
            due = [item for item in self._waiting if not item.slack and _rings(item.alert)]
        for item in sorted(due, key=lambda item: item.alert.severity is not Severity.CRITICAL):
            if not self._post_once(item):
                return

    def _post_once(self, item: Waiting) -> bool:
        """Post one alert, unless the same was posted lately; False: Slack wants to be left alone a while."""
        now_s, key = time.monotonic(), (item.alert.alert_id, item.alert.resolved)
        repeated = now_s - self._posted.get(key, -float(self._repeat_s)) < self._repeat_s
        outcome: Outcome = Delivered() if repeated or self._post is None else self._post(self._payload(item))
        match outcome:
            case Delivered():
                self._failures = 0
                self._posted.setdefault(key, now_s)
                if not repeated:
                    self._posted[key] = now_s
                    self._log.info("posted to Slack", alert=item.alert.alert_id)
                self._mark(item)
                return True
            case RetryAfter(seconds):
                self._not_before_s = now_s + seconds
            case Failed(reason, unacceptable):
                self._log.warning("Slack did not take an alert", alert=item.alert.alert_id, reason=reason)
                if unacceptable:
                    self._mark(item)
                    return True
                self._not_before_s = now_s + RETRY_S[min(self._failures, len(RETRY_S) - 1)]
                self._failures += 1
        return False

    def _mark(self, item: Waiting) -> None:
        with self._wake:
            self._waiting = deque(
                (replace(w, slack=True) if w.number == item.number else w for w in self._waiting), KEPT
            )

    def _payload(self, item: Waiting) -> Payload:
        sign = SIGN_OVER if item.alert.resolved else SIGNS[item.alert.severity]
        alert = in_language(item.alert, self._language)
        title = f"{sign} {alert.title}"
        away = (
            "Redis takes no alerts" if self._no_alerts else f"Redis has been away for {self.redis_away_s} s"
        )
        small = f"gateway's supervisor on {self._host}; {away}"
        blocks = alert_blocks(title, (), alert.detail, alert.next_step, small)
        return Payload(escaped("\n".join(filter(None, (title, alert.detail, alert.next_step)))), blocks)

    def _write(self, message: Message, cause: str, now_ns: int) -> Write:
        stream = home_of(type(message))
        envelope = Envelope.wrap(
            message, source=SOURCE, now_ns=now_ns, causation_id=f"{SOURCE}-{self._host}-{cause}-{now_ns}"
        )
        return Write(key_of(stream), envelope, stream.kept)


def _rings(alert: AlertRaised) -> bool:
    return alert.resolved or alert.severity is not Severity.INFO


def _noted(item: Waiting) -> AlertRaised:
    """What Slack has already is a note: told once is enough."""
    if not item.slack:
        return item.alert
    age_s = int(time.monotonic() - item.since_s)
    detail = f"{item.alert.detail} (posted to Slack {age_s} s ago, while Redis was away)"
    return item.alert.model_copy(update={"severity": Severity.INFO, "detail": detail})


def _last(waiting: list[Waiting]) -> int:
    return max((item.number for item in waiting), default=0)
