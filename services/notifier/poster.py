"""The threads that talk to the outside: notices to Slack, digests to the side jobs.

They never block the loop: the loop offers what is in the outbox and collects what became of it.
Delivery is at least once: a notice leaves the outbox only when its delivery was committed, and
what was delivered but not committed before a crash is posted again. Each attempt has a thread of
its own, so that a webhook that hangs holds up nothing but that attempt.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from services.contracts.alert_text import Language, in_language
from services.contracts.envelope import Message
from services.notifier.lane import BACKOFF_S, PACE_S, Lane
from services.notifier.reported import DeliveryFailed, DigestHandedOver, NoticesDelivered
from services.notifier.state import Digest, Notice
from services.notifier.wording import Names, notice_line, notices_message
from services.runtime.slack import Delivered, Failed, Outcome, RetryAfter, post

REMEMBERED: Final = 2_000
OVERDUE_S: Final = 15.0
"""An attempt that takes longer (a webhook that trickles) counts as failed; should it be taken after all,
it counts as delivered then."""
HAND_OVER_AGAIN_S: Final = 10.0
_WAKE_S: Final = 0.1


class Channel(Protocol):
    """Where notices go: one webhook, or the terminal."""

    pace_s: float

    def deliver(self, notices: Sequence[Notice], now_ns: int, names: Names, *, plain: bool) -> Outcome: ...


class SlackChannel:
    """Notices through one webhook."""

    def __init__(self, url: str, language: Language, timeout_s: int, pace_s: float = PACE_S) -> None:
        self.pace_s = pace_s
        self._url = url
        self._language = language
        self._timeout_s = timeout_s

    def deliver(self, notices: Sequence[Notice], now_ns: int, names: Names, *, plain: bool) -> Outcome:
        payload = notices_message(notices, now_ns, self._language, names)
        return post(self._url, payload.plain if plain else payload, self._timeout_s)


class TerminalChannel:
    """Without a webhook: plain lines through `say`."""

    def __init__(self, language: Language, say: Callable[[str], None]) -> None:
        self.pace_s = 0.0
        self._language = language
        self._say = say

    def deliver(self, notices: Sequence[Notice], now_ns: int, names: Names, *, plain: bool) -> Outcome:
        for notice in notices:
            self._say(notice_line(notice, now_ns, self._language, names))
        return Delivered()

    def print_digest(self, digest: Digest, names: Names) -> None:
        for line in digest.lines:
            said = in_language(line.alert, self._language)
            self._say(f"{line.alert.severity.value}: {said.title}: {said.detail}")


HandOver = Callable[[Digest, Names], None]
"""Gives a digest to whoever posts it. Raises ConnectionError: try again later."""
SayTaken = Callable[[str, float], None]
"""Keeps digests from a webhook for so many seconds. Raises ConnectionError."""


class Poster:
    """Holds what is to go out. The loop calls `offer` and `results`; `run` and `run_digests` are threads.

    `channels` are by the names of webhooks; a notice for one that is not configured any more goes to "".
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        hand_over: HandOver,
        say: Callable[[str], None],
        language: Language,
        backoff_s: tuple[float, ...] = BACKOFF_S,
        overdue_s: float = OVERDUE_S,
        say_taken: SayTaken = lambda webhook, seconds: None,
    ) -> None:
        self._channels = dict(channels)
        self._hand_over = hand_over
        self._say_taken = say_taken
        self._taken_until_s: dict[str, float] = {}
        self._say = say
        self._language = language
        self._overdue_s = overdue_s
        self._log = structlog.get_logger(service="notifier", part="poster")
        self._changed = threading.Condition()
        self._lanes = {
            name: Lane(pace_s=channel.pace_s, backoff_s=backoff_s) for name, channel in channels.items()
        }
        self._started: dict[int, tuple[str, float]] = {}
        self._attempts = 0
        self._notices: tuple[Notice, ...] = ()
        self._digests: tuple[Digest, ...] = ()
        self._names: Names = {}
        self._clock_offset_ns = 0
        self._done: OrderedDict[str, None] = OrderedDict()
        self._results: deque[Message] = deque()
        self._shown: set[str] = set()
        self._digest_not_before_s = 0.0

    def offer(
        self, notices: tuple[Notice, ...], digests: tuple[Digest, ...], names: Names, now_ns: int
    ) -> None:
        """Say what is in the outbox now. What was delivered already is reported once more, not posted."""
        with self._changed:
            again = tuple(notice.notice_id for notice in notices if notice.notice_id in self._done)
            if again:
                self._results.append(NoticesDelivered(notice_ids=again))
            for digest in digests:
                if digest.digest_id in self._done:
                    self._results.append(DigestHandedOver(digest_id=digest.digest_id))
            self._notices = tuple(n for n in notices if n.notice_id not in self._done)
            self._digests = tuple(d for d in digests if d.digest_id not in self._done)
            self._names = names
            self._clock_offset_ns = now_ns - time.monotonic_ns()
            if self._notices or self._digests:
                self._changed.notify_all()

    def results(self) -> list[Message]:
        """Return what became of things since the last call."""
        with self._changed:
            found = list(self._results)
            self._results.clear()
            return found

    def run(self, stop: threading.Event) -> None:
        """Post notices until `stop`; what is on its way then is offered again at the next start."""
        self._until(stop, self.step)

    def run_digests(self, stop: threading.Event) -> None:
        """Serve the side jobs until `stop`: their queue lies in Redis, which may be slow."""
        self._until(stop, self.serve_side_jobs)

    def _until(self, stop: threading.Event, act: Callable[[], bool]) -> None:
        while not stop.is_set():
            try:
                acted = act()
            except Exception:
                self._log.exception("poster failed")
                acted = False
                stop.wait(1.0)
            if not acted:
                with self._changed:
                    self._changed.wait(_WAKE_S)

    def step(self) -> bool:
        """Begin what is due on each webhook; False when nothing is."""
        self._give_up_overdue()
        return any(self._start_one(name) for name in self._lanes)

    # -- notices -----------------------------------------------------------------------------

    def _start_one(self, name: str) -> bool:
        """Begin an attempt on one webhook, if one is due."""
        now_s = time.monotonic()
        with self._changed:
            waiting = [n for n in self._notices if self._lane_of(n) == name]
            lane = self._lanes[name]
            batch = lane.due(waiting, now_s)
            if not batch:
                return False
            self._attempts += 1
            number, names, now_ns = self._attempts, self._names, time.monotonic_ns() + self._clock_offset_ns
            self._lanes[name] = lane.started(number, batch, now_s)
            self._started[number] = (name, now_s)
            self._changed.notify_all()
        thread = threading.Thread(
            target=self._attempt, args=(name, number, batch, now_ns, names, lane.plain), daemon=True,
            name=f"post-{number}",
        )  # fmt: skip
        thread.start()
        return True

    def _lane_of(self, notice: Notice) -> str:
        return notice.webhook if notice.webhook in self._lanes else next(iter(self._lanes))

    def _attempt(
        self, name: str, number: int, batch: tuple[Notice, ...], now_ns: int, names: Names, plain: bool
    ) -> None:
        try:
            outcome = self._channels[name].deliver(batch, now_ns, names, plain=plain)
        except Exception as error:
            self._log.exception("attempt failed")
            outcome = Failed(type(error).__name__)
        with self._changed:
            self._ended(number, batch, outcome, now_ns)
            self._changed.notify()

    def _give_up_overdue(self) -> None:
        """Let what hangs be tried anew; its thread stays behind and may still report."""
        with self._changed:
            late_s = time.monotonic() - self._overdue_s
            for number, (name, since_s) in list(self._started.items()):
                if since_s < late_s:
                    batch = self._lanes[name].in_flight[number]
                    now_ns = time.monotonic_ns() + self._clock_offset_ns
                    self._ended(number, batch, Failed(f"no answer in {self._overdue_s:g} s"), now_ns)

    def _ended(self, number: int, batch: tuple[Notice, ...], outcome: Outcome, now_ns: int) -> None:
        found = self._started.pop(number, None)
        if isinstance(outcome, Delivered):
            self._remember(batch)
        if found is None:
            return
        name, now_s = found[0], time.monotonic()
        lane = self._lanes[name]
        match outcome:
            case Delivered():
                self._lanes[name] = lane.delivered(number)
                return
            case RetryAfter(seconds=seconds, reason=reason):
                self._lanes[name] = lane.held(number, seconds, now_s)
            case Failed(reason=reason, unacceptable=unacceptable):
                self._lanes[name] = lane.failed(number, now_s, unacceptable=unacceptable)
        self._tell_failure(batch, reason, now_ns)

    def _remember(self, batch: Sequence[Notice]) -> None:
        ids = tuple(notice.notice_id for notice in batch)
        self._done.update(dict.fromkeys(ids))
        while len(self._done) > REMEMBERED:
            self._done.popitem(last=False)
        self._notices = tuple(n for n in self._notices if n.notice_id not in self._done)
        self._shown -= set(ids)
        self._results.append(NoticesDelivered(notice_ids=ids))

    def _tell_failure(self, batch: Sequence[Notice], reason: str, now_ns: int) -> None:
        """What Slack does not take stands on the terminal, once."""
        for notice in batch:
            if notice.notice_id not in self._shown:
                self._say(notice_line(notice, now_ns, self._language, self._names))
        self._shown |= {notice.notice_id for notice in batch}
        self._log.warning("notice not delivered", problem=reason, notices=len(batch))
        ids = tuple(notice.notice_id for notice in batch)
        self._results.append(DeliveryFailed(notice_ids=ids, problem=reason))

    # -- digests -----------------------------------------------------------------------------

    def serve_side_jobs(self) -> bool:
        """Say which webhooks are taken, then hand one digest over; False when there is none to hand over."""
        now_s = time.monotonic()
        if now_s < self._digest_not_before_s:
            return False
        with self._changed:
            free_at_s = {name: lane.free_at_s for name, lane in self._lanes.items()}
        try:
            for name, until_s in free_at_s.items():
                if until_s > max(now_s, self._taken_until_s.get(name, 0.0)):
                    self._say_taken(name, until_s - now_s)
                    self._taken_until_s[name] = until_s
            return self._hand_over_one()
        except ConnectionError as error:
            self._log.warning("side jobs not reached", problem=str(error))
            self._digest_not_before_s = time.monotonic() + HAND_OVER_AGAIN_S
            return False

    def _hand_over_one(self) -> bool:
        with self._changed:
            digests, names = self._digests, self._names
        if not digests:
            return False
        digest = digests[0]
        self._hand_over(digest, names)
        with self._changed:
            self._done[digest.digest_id] = None
            self._digests = tuple(d for d in self._digests if d is not digest)
            self._results.append(DigestHandedOver(digest_id=digest.digest_id))
        return True
