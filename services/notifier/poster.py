"""The thread that talks to the outside: critical notices to Slack, digests to the side jobs.

It never blocks the loop: the loop offers what is in the outbox and collects what became of it.
Delivery is at least once: a notice leaves the outbox only when its delivery was committed, and
what was delivered but not committed before a crash is posted again.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from services.contracts.envelope import Message
from services.contracts.terms import Symbol
from services.notifier.reported import DeliveryFailed, DigestHandedOver, NoticesDelivered
from services.notifier.state import Digest, Notice
from services.notifier.webhook import Delivery, Webhook
from services.notifier.wording import Language, notice_line, notices_message

PACE_S: Final = 1.0
"""Slack takes one message a second from a webhook."""
BACKOFF_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
AT_ONCE: Final = 8
"""Notices in one message: a storm becomes a few long messages, not many short ones."""
REMEMBERED: Final = 2_000
_WAKE_S: Final = 0.2

Names = Mapping[Symbol, str]


class Channel(Protocol):
    """Where notices and digests go: Slack with its side jobs, or the terminal."""

    pace_s: float

    def deliver(self, notices: Sequence[Notice], now_ns: int, names: Names, *, plain: bool) -> Delivery: ...
    def hand_over(self, digest: Digest, names: Names) -> None:
        """Give a digest to whoever posts it. Raises ConnectionError: try again later."""


class SlackChannel:
    """Notices through the webhook directly, digests through the queue."""

    def __init__(
        self,
        webhook: Webhook,
        language: Language,
        enqueue: Callable[[Digest, Names], None],
        pace_s: float = PACE_S,
    ) -> None:
        self.pace_s = pace_s
        self._webhook = webhook
        self._language = language
        self._enqueue = enqueue

    def deliver(self, notices: Sequence[Notice], now_ns: int, names: Names, *, plain: bool) -> Delivery:
        return self._webhook.post(notices_message(notices, now_ns, self._language, names), plain=plain)

    def hand_over(self, digest: Digest, names: Names) -> None:
        self._enqueue(digest, names)


class TerminalChannel:
    """Without a webhook: plain lines through `say`."""

    def __init__(self, language: Language, say: Callable[[str], None]) -> None:
        self.pace_s = 0.0
        self._language = language
        self._say = say

    def deliver(self, notices: Sequence[Notice], now_ns: int, names: Names, *, plain: bool) -> Delivery:
        for notice in notices:
            self._say(notice_line(notice, now_ns, self._language, names))
        return Delivery(True)

    def hand_over(self, digest: Digest, names: Names) -> None:
        for line in digest.lines:
            self._say(f"{line.alert.severity.value}: {line.alert.title}: {line.alert.detail}")


class Poster:
    """Holds what is to go out. `offer` and `results` are called by the loop, `run` is the thread."""

    def __init__(
        self,
        channel: Channel,
        say: Callable[[str], None],
        language: Language,
        backoff_s: Sequence[float] = BACKOFF_S,
    ) -> None:
        self._channel = channel
        self._say = say
        self._language = language
        self._backoff_s = backoff_s
        self._log = structlog.get_logger(service="notifier", part="poster")
        self._changed = threading.Condition()
        self._notices: tuple[Notice, ...] = ()
        self._digests: tuple[Digest, ...] = ()
        self._names: Names = {}
        self._clock_offset_ns = 0
        self._done: OrderedDict[str, None] = OrderedDict()
        self._results: deque[Message] = deque()
        self._failures = 0
        self._plain = False
        self._shown: set[str] = set()
        self._not_before_s = self._digest_not_before_s = 0.0

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
                self._changed.notify()

    def results(self) -> list[Message]:
        """Return what became of things since the last call."""
        with self._changed:
            found = list(self._results)
            self._results.clear()
            return found

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop`."""
        while not stop.is_set():
            try:
                acted = self.step()
            except Exception:
                self._log.exception("poster failed")
                acted = False
                stop.wait(1.0)
            if not acted:
                with self._changed:
                    self._changed.wait(_WAKE_S)

    def step(self) -> bool:
        """Do one thing that is due; False when nothing is."""
        return self._hand_over_one() or self._deliver_some()

    def _deliver_some(self) -> bool:
        with self._changed:
            due, names, offset_ns = self._notices[:AT_ONCE], self._names, self._clock_offset_ns
        if not due or time.monotonic() < self._not_before_s:
            return False
        now_ns = time.monotonic_ns() + offset_ns
        delivery = self._channel.deliver(due, now_ns, names, plain=self._plain)
        if delivery.delivered:
            self._delivered(due)
        else:
            self._failed(due, delivery, now_ns, names)
        return True

    def _delivered(self, notices: Sequence[Notice]) -> None:
        ids = tuple(notice.notice_id for notice in notices)
        self._failures, self._plain = 0, False
        self._not_before_s = time.monotonic() + self._channel.pace_s
        with self._changed:
            self._done.update(dict.fromkeys(ids))
            while len(self._done) > REMEMBERED:
                self._done.popitem(last=False)
            self._notices = tuple(n for n in self._notices if n.notice_id not in self._done)
            self._results.append(NoticesDelivered(notice_ids=ids))

    def _failed(self, notices: Sequence[Notice], delivery: Delivery, now_ns: int, names: Names) -> None:
        for notice in notices:
            if notice.notice_id not in self._shown:
                self._say(notice_line(notice, now_ns, self._language, names))
        self._shown = {notice.notice_id for notice in notices}
        wait_s = self._backoff_s[min(self._failures, len(self._backoff_s) - 1)]
        self._failures += 1
        self._plain = self._plain or delivery.unacceptable
        self._not_before_s = time.monotonic() + max(wait_s, delivery.retry_after_s or 0.0)
        self._log.warning("notice not delivered", problem=delivery.problem, failures=self._failures)
        ids = tuple(notice.notice_id for notice in notices)
        with self._changed:
            self._results.append(DeliveryFailed(notice_ids=ids, problem=delivery.problem))

    def _hand_over_one(self) -> bool:
        with self._changed:
            digests, names = self._digests, self._names
        if not digests or time.monotonic() < self._digest_not_before_s:
            return False
        digest = digests[0]
        try:
            self._channel.hand_over(digest, names)
        except ConnectionError as error:
            self._log.warning("digest not handed over", problem=str(error))
            self._digest_not_before_s = time.monotonic() + self._backoff_s[-1]
            return False
        with self._changed:
            self._done[digest.digest_id] = None
            self._digests = tuple(d for d in self._digests if d is not digest)
            self._results.append(DigestHandedOver(digest_id=digest.digest_id))
        return True
