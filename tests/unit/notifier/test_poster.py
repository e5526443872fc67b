"""Posting to a webhook that answers well, badly, slowly, or not at all."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.contracts.alert_text import Language
from services.contracts.terms import Severity
from services.notifier.lane import AT_ONCE, CRITICAL_RANK, IN_FLIGHT_MOST, IN_FLIGHT_QUIET, Lane, rank
from services.notifier.poster import Poster, SlackChannel, TerminalChannel
from services.notifier.reported import DeliveryFailed, DigestHandedOver, NoticesDelivered
from services.notifier.state import Digest, DigestLine, Notice, NoticeReason
from services.notifier.wording import Names

from .builders import START_NS, alert, notice, wait_for
from .conftest import Answer, SlackDouble

DIGEST = Digest(digest_id="d1", lines=(DigestLine(alert=alert("w"), at_ns=START_NS),))


class Desk:
    """A poster with what it said on the terminal and what it reported."""

    def __init__(
        self,
        slack: SlackDouble,
        enqueue: Callable[[Digest, Names], None] | None = None,
        overdue_s: float = 15.0,
    ) -> None:
        self.said: list[str] = []
        self.reported: list[object] = []
        channel = SlackChannel(slack.url, Language.ENGLISH, timeout_s=1, pace_s=0.0)
        self.poster = Poster(
            {"": channel}, enqueue or (lambda *_: None), self.said.append, Language.ENGLISH,
            backoff_s=(0.02, 0.05), overdue_s=overdue_s,
        )  # fmt: skip

    def offer(self, *notices: Notice, digests: tuple[Digest, ...] = ()) -> None:
        self.poster.offer(notices, digests, {}, START_NS)

    def delivered(self) -> set[str]:
        self.reported += self.poster.results()
        found = (item for item in self.reported if isinstance(item, NoticesDelivered))
        return {notice_id for item in found for notice_id in item.notice_ids}

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()
        runs = (self.poster.run, self.poster.run_digests)
        threads = [threading.Thread(target=run, args=(stop,), daemon=True) for run in runs]
        for thread in threads:
            thread.start()
        yield
        stop.set()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()


def quiet(notice_id: str) -> Notice:
    return notice(notice_id, severity=Severity.WARNING)


# -- the plan of one webhook ---------------------------------------------------------------


def test_starts_are_a_second_apart_and_answers_are_not_waited_for() -> None:
    lane = Lane()
    first, second = notice("a"), notice("b")
    lane = lane.started(1, lane.due([first], 0.0), 0.0)
    assert lane.due([first, second], 0.9) == ()
    assert lane.due([first, second], 1.0) == (second,), "the first is on its way"


def test_what_is_critical_goes_first_and_its_end_never_before_its_beginning() -> None:
    over = notice("a").model_copy(update={"notice_id": "a2", "reason": NoticeReason.RESOLVED})
    waiting = [quiet("w"), notice("a"), over]
    lane = Lane(pace_s=0.0)
    batch = lane.due(waiting, 0.0)
    assert batch == (waiting[1],)
    lane = lane.started(1, batch, 0.0)
    assert lane.due(waiting, 0.0) == (quiet("w"),)
    lane = lane.failed(1, 0.0, unacceptable=False)
    assert over not in lane.due(waiting, 100.0)
    assert [rank(n) for n in (notice("a"), over, quiet("w"))] == sorted(
        rank(n) for n in (notice("a"), over, quiet("w"))
    )


def test_a_failure_makes_its_own_rank_wait_but_nothing_new_and_nothing_louder() -> None:
    lane = Lane(pace_s=0.0)
    lane = lane.started(1, (quiet("w"),), 0.0).failed(1, 0.0, unacceptable=False)
    assert lane.due([quiet("w")], 0.5) == () and lane.due([quiet("w")], 1.0)
    assert lane.due([quiet("w"), notice("c")], 0.5) == (notice("c"),)
    assert lane.due([quiet("w"), quiet("new")], 0.5)


def test_critical_waits_at_most_a_quarter_of_a_minute_however_often_it_failed() -> None:
    lane, now_s = Lane(pace_s=0.0), 0.0
    for number in range(20):
        lane = lane.started(number, (notice("c"),), now_s).failed(number, now_s, unacceptable=False)
        assert lane.due([notice("c")], now_s + 15.0)
        now_s += 15.0
    assert lane.setbacks[CRITICAL_RANK].failures == 20


def test_429_holds_everything_for_as_long_as_it_asks() -> None:
    lane = Lane(pace_s=0.0).started(1, (quiet("w"),), 0.0).held(1, 7.0, 0.0)
    assert lane.due([notice("c")], 6.9) == () and lane.due([notice("c")], 7.0) == (notice("c"),)


def test_hanging_attempts_leave_room_for_what_is_critical() -> None:
    lane = Lane(pace_s=0.0)
    for number in range(IN_FLIGHT_QUIET):
        lane = lane.started(number, (quiet(f"w{number}"),), 0.0)
    assert lane.due([quiet("more")], 0.0) == ()
    for number in range(IN_FLIGHT_QUIET, IN_FLIGHT_MOST):
        assert lane.due([notice(f"c{number}")], 0.0)
        lane = lane.started(number, (notice(f"c{number}"),), 0.0)
    assert lane.due([notice("more")], 0.0) == ()


# -- against a webhook ---------------------------------------------------------------------


def test_a_notice_is_delivered_only_by_a_200(slack: SlackDouble) -> None:
    slack.script.extend([Answer(500), Answer(403), Answer(302), Answer(200)])
    desk = Desk(slack)
    desk.offer(notice())
    with desk.running():
        wait_for(lambda: desk.delivered() == {"n1"}, "delivery")
    assert len(slack.posts) == 1
    assert sum(isinstance(item, DeliveryFailed) for item in desk.reported) == 3
    assert len(desk.said) == 1, "what Slack does not take stands on the terminal, once"


def test_what_slack_asks_to_wait_is_waited(slack: SlackDouble) -> None:
    slack.script.append(Answer(429, {"Retry-After": "1"}))
    desk = Desk(slack)
    desk.offer(notice())
    with desk.running():
        wait_for(lambda: desk.delivered() == {"n1"}, "delivery")
    first, second = (at for at, _ in slack.attempts)
    assert second - first >= 1.0


def test_an_answer_that_comes_too_late_or_never_is_a_failure_and_the_notice_is_kept(
    slack: SlackDouble,
) -> None:
    slack.script.extend([Answer(after_s=1.5), Answer(hang_up=True)])
    desk = Desk(slack)
    desk.offer(notice())
    with desk.running():
        wait_for(lambda: desk.delivered() == {"n1"}, "delivery")
    assert len(slack.attempts) == 3


def test_an_attempt_without_an_end_is_given_up_and_counts_when_it_is_taken_after_all() -> None:
    asked, answer = threading.Event(), threading.Event()

    class Hanging(TerminalChannel):
        def deliver(self, notices, now_ns, names, *, plain):  # type: ignore[no-untyped-def]
            if not asked.is_set():
                asked.set()
                answer.wait()
            return super().deliver(notices, now_ns, names, plain=plain)

    channel = Hanging(Language.ENGLISH, lambda _: None)
    poster = Poster(
        {"": channel}, lambda *_: None, lambda _: None, Language.ENGLISH, backoff_s=(60.0,), overdue_s=0.05
    )
    poster.offer((notice(),), (), {}, START_NS)
    found: list[object] = []

    def seen(kind: type) -> bool:
        poster.step()
        found.extend(poster.results())
        return any(isinstance(item, kind) for item in found)

    wait_for(lambda: seen(DeliveryFailed), "the failure")
    assert not any(isinstance(item, NoticesDelivered) for item in found)
    answer.set()
    wait_for(lambda: seen(NoticesDelivered), "the late delivery")


def test_the_loop_never_waits_for_a_slow_webhook(slack: SlackDouble) -> None:
    slack.always = Answer(after_s=0.8)
    desk = Desk(slack)
    with desk.running():
        desk.offer(notice())
        wait_for(lambda: bool(slack.attempts), "the attempt")
        started = time.monotonic()
        for _ in range(100):
            desk.offer(notice())
            desk.poster.results()
        assert not slack.posts, "a hundred turns passed while the post was under way"
        assert time.monotonic() - started < 0.8


def test_a_slow_webhook_does_not_hold_up_the_next_severity(slack: SlackDouble) -> None:
    slack.always = Answer(after_s=0.8)
    desk = Desk(slack)
    with desk.running():
        desk.offer(quiet("w"))
        wait_for(lambda: len(slack.attempts) == 1, "the first attempt")
        desk.offer(quiet("w"), notice("c"))
        wait_for(lambda: len(slack.attempts) == 2, "the second attempt")
        assert not slack.posts, "the first is still unanswered"
        wait_for(lambda: desk.delivered() == {"w", "c"}, "both")


def test_a_storm_goes_out_in_few_messages(slack: SlackDouble) -> None:
    desk = Desk(slack)
    desk.offer(*(notice(f"n{number}") for number in range(2 * AT_ONCE + 1)))
    with desk.running():
        wait_for(lambda: len(desk.delivered()) == 2 * AT_ONCE + 1, "all deliveries")
    assert len(slack.posts) == 3
    assert all(len(post["blocks"]) <= 50 for post in slack.posts)


def test_what_was_delivered_but_is_still_in_the_outbox_is_reported_again_and_not_posted(
    slack: SlackDouble,
) -> None:
    desk = Desk(slack)
    desk.offer(notice(), digests=(DIGEST,))
    with desk.running():
        wait_for(lambda: desk.delivered() == {"n1"}, "delivery")
        wait_for(lambda: bool(desk.delivered()) and handed_over(desk), "the digest")
        desk.reported.clear()
        desk.offer(notice(), digests=(DIGEST,))
        desk.delivered()
        desk.delivered()
    assert NoticesDelivered(notice_ids=("n1",)) in desk.reported
    assert DigestHandedOver(digest_id="d1") in desk.reported
    assert len(slack.posts) == 1


def handed_over(desk: Desk) -> bool:
    return any(isinstance(item, DigestHandedOver) for item in desk.reported)


def test_a_message_that_slack_cannot_read_goes_out_as_plain_text(slack: SlackDouble) -> None:
    slack.script.append(Answer(400))
    desk = Desk(slack)
    desk.offer(notice())
    with desk.running():
        wait_for(lambda: desk.delivered() == {"n1"}, "delivery")
    assert "blocks" not in slack.posts[0] and "3 shares" in slack.posts[0]["text"]


def test_a_digest_that_the_queue_does_not_take_is_kept(slack: SlackDouble) -> None:
    def refuse(digest: Digest, names: Names) -> None:
        raise ConnectionError("no Redis")

    desk = Desk(slack, refuse)
    desk.offer(digests=(DIGEST,))
    assert not desk.poster.serve_side_jobs()
    desk.delivered()
    assert not handed_over(desk)


def test_without_a_webhook_a_plain_line_stands_on_the_terminal() -> None:
    said: list[str] = []
    terminal = TerminalChannel(Language.ENGLISH, said.append)
    poster = Poster({"": terminal}, terminal.print_digest, said.append, Language.ENGLISH)
    poster.offer((notice(),), (), {"005930": "Samsung"}, START_NS)
    assert poster.step()
    wait_for(lambda: poster.results() == [NoticesDelivered(notice_ids=("n1",))], "the line")
    assert len(said) == 1 and said[0].startswith("[CRITICAL] 3 shares were not sold")
    assert "Samsung (005930)" in said[0] and "₩210,000" in said[0] and "arb flatten" in said[0]
