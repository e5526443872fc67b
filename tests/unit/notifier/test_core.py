"""Who is told what and when: the core alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.status import NotifierStatus
from services.contracts.step import Tick
from services.contracts.terms import Severity
from services.notifier.core import decide
from services.notifier.journal_troubles import EVERYTHING
from services.notifier.lane import Lane
from services.notifier.policy import AlertPolicy
from services.notifier.reported import DigestHandedOver, JournalReported, NoticesDelivered, Trouble
from services.notifier.state import (
    MAX_DIGEST_LINES,
    MAX_OPEN,
    MAX_OUTBOX,
    MAX_QUIET_WAITING,
    NoticeReason,
    NotifierState,
)
from services.notifier.troubles import FLAPS_TOLD
from services.runtime.burials import Burials
from services.runtime.parts import changed_parts, restore

from .builders import START_NS, acknowledged, after, alert, received, resolved

FRESH = NotifierState()
SECOND = NS_PER_S


def delivered(state: NotifierState) -> NoticesDelivered:
    return NoticesDelivered(notice_ids=tuple(notice.notice_id for notice in state.outbox))


def reasons(state: NotifierState) -> list[NoticeReason]:
    return [notice.reason for notice in state.outbox]


def later(seconds: int) -> Tick:
    return Tick(START_NS + seconds * SECOND)


def test_a_critical_alert_goes_out_at_once_and_stays_until_delivered() -> None:
    state = after(FRESH, alert())
    assert reasons(state) == [NoticeReason.RAISED]
    assert after(state, later(1)).outbox == state.outbox
    told = after(state, delivered(state))
    assert told.outbox == () and told.tally.delivered == 1


def test_the_same_trouble_is_told_once_however_often_it_is_raised() -> None:
    state = after(FRESH, *(alert() for _ in range(50)))
    assert len(state.outbox) == 1 and state.open["residual-1"].seen == 50
    assert state.tally.alerts == 50


def test_a_trouble_that_gets_worse_is_told_again() -> None:
    state = after(FRESH, alert(severity=Severity.WARNING))
    assert state.outbox == ()
    assert reasons(after(state, alert())) == [NoticeReason.RAISED]


def test_a_trouble_that_was_told_is_also_told_to_be_over_and_may_come_back() -> None:
    state = after(FRESH, alert(), resolved())
    assert reasons(state) == [NoticeReason.RAISED, NoticeReason.RESOLVED] and not state.open
    assert reasons(after(state, alert()))[-1] is NoticeReason.RAISED


def test_the_end_of_a_trouble_nobody_knew_is_no_news() -> None:
    state = after(FRESH, resolved())
    assert state.outbox == () and state.digest == ()


def test_a_repetition_tells_the_newest_words_of_a_trouble() -> None:
    grown = alert().model_copy(update={"detail": "400 so far"})
    state = after(FRESH, alert(), grown)
    state = after(state, delivered(state), later(300))
    assert [notice.alert.detail for notice in state.outbox] == ["400 so far"]


def test_an_unacknowledged_critical_alert_is_repeated_until_somebody_says_so() -> None:
    state = after(FRESH, alert())
    state = after(state, delivered(state), later(299))
    assert state.outbox == ()
    state = after(state, later(300))
    assert reasons(state) == [NoticeReason.REPEATED]
    assert len(after(state, later(900)).outbox) == 1, "not again while the last repetition waits"
    state = after(state, delivered(state), later(899))
    assert state.outbox == (), "the pause has doubled"
    state = after(state, later(900))
    assert reasons(state) == [NoticeReason.REPEATED]
    quiet = after(state, acknowledged())
    assert reasons(quiet) == [NoticeReason.ACKNOWLEDGED], "a repetition not yet sent is taken back"
    assert quiet.outbox[0].by == "kim"
    assert after(quiet, delivered(quiet), later(9_000)).outbox == ()


def test_an_acknowledged_alert_raised_again_stays_quiet_while_it_lasts() -> None:
    state = after(FRESH, alert(), acknowledged(), alert(), later(3_000))
    assert reasons(state) == [NoticeReason.RAISED, NoticeReason.ACKNOWLEDGED]
    assert state.open["residual-1"].acknowledged_by == "kim"


def test_the_rest_waits_for_the_digest_with_one_line_an_alert() -> None:
    warning = alert("w", Severity.WARNING)
    state = after(FRESH, warning, warning, alert("i", Severity.INFO), later(299))
    assert [line.seen for line in state.digest] == [2, 1] and state.outbox == ()
    state = after(state, later(300))
    assert state.digest == () and [line.alert.alert_id for line in state.handing_over[0].lines] == ["w", "i"]
    done = DigestHandedOver(digest_id=state.handing_over[0].digest_id)
    assert after(state, done).handing_over == ()


def test_muted_kinds_and_severities_are_only_journalled_but_critical_never_is() -> None:
    policy = AlertPolicy(
        muted_kinds=frozenset({AlertKind.RESIDUAL}), digest_severities=frozenset({Severity.WARNING})
    )
    state = after(
        NotifierState(policy=policy),
        alert("a", Severity.WARNING),
        alert("b", Severity.INFO, kind=AlertKind.SESSION),
        alert("c"),
    )
    assert state.digest == () and [notice.alert.alert_id for notice in state.outbox] == ["c"]


def test_a_kind_the_desk_chose_goes_out_at_once_but_is_not_repeated() -> None:
    policy = AlertPolicy(immediate_kinds=frozenset({AlertKind.TRADING_STATE}))
    state = after(NotifierState(policy=policy), alert("s", Severity.INFO, kind=AlertKind.TRADING_STATE))
    assert reasons(state) == [NoticeReason.RAISED]
    assert after(state, delivered(state), later(3_000)).outbox == ()


def test_without_a_webhook_nothing_waits_for_a_digest() -> None:
    state = after(NotifierState(policy=AlertPolicy(digests=False)), alert("w", Severity.WARNING))
    assert reasons(state) == [NoticeReason.RAISED]


def test_status_comes_each_second_and_names_who_waits() -> None:
    state = after(FRESH, alert("a"), alert("b"), acknowledged("a"), JournalReported(lines=7, lag_ms=3))
    step = decide(state, later(0))
    status = step.out[0].message
    assert isinstance(status, NotifierStatus)
    assert (status.journal_lines, status.journal_lag_ms, status.alerts) == (7, 3, 2)
    assert status.unacknowledged == ("b",) and status.acknowledged == {"a": "kim"}
    assert decide(step.state, Tick(START_NS + SECOND - 1)).out == ()
    assert len(decide(step.state, later(1)).out) == 1


def trouble(severity: Severity) -> Trouble:
    return Trouble(
        alert_id="journal-stopped", severity=severity, code=AlertCode.JOURNAL_STOPPED,
        facts={"failure": "disk", "problem": "No space left on device"},
    )  # fmt: skip


def test_a_trouble_of_the_journal_is_raised_once_again_when_worse_and_closed_when_over() -> None:
    state, raised = FRESH, []
    for troubles in (
        (trouble(Severity.WARNING),), (trouble(Severity.WARNING),), (trouble(Severity.CRITICAL),), (), (),
    ):  # fmt: skip
        step = decide(state, received(JournalReported(lines=0, lag_ms=0, troubles=troubles)))
        state = step.state
        raised += [out.message for out in step.out if isinstance(out.message, AlertRaised)]
    assert [(item.severity, item.resolved) for item in raised] == [
        (Severity.WARNING, False), (Severity.CRITICAL, False), (Severity.CRITICAL, True),
    ]  # fmt: skip


def hole(count: int) -> Trouble:
    facts = {"stream": "orders", "after": "1-0", "before": "5-0", "count": count}
    return Trouble(
        alert_id="journal-hole-orders", severity=Severity.WARNING, code=AlertCode.JOURNAL_HOLE, facts=facts,
        count=count,
    )  # fmt: skip


def heard(state: NotifierState, **report: Any) -> tuple[NotifierState, list[tuple[str, bool]]]:
    """Take in a report of the journal; returns the alerts that it led to, as (id, whether it is over)."""
    step = decide(state, received(JournalReported(lines=0, lag_ms=0, **report)))
    alerts = [out.message for out in step.out if isinstance(out.message, AlertRaised)]
    return step.state, [(alert.alert_id, alert.resolved) for alert in alerts]


def test_many_holes_of_one_stream_are_one_alert_that_is_told_where_its_count_grows() -> None:
    state, raised = FRESH, []
    for number in (1, 1, 7):
        state, said = heard(state, troubles=(hole(number),))
        raised += said
    assert raised == [("journal-hole-orders", False)] * 2
    state, said = heard(state)
    assert said == [("journal-hole-orders", True)] and state.own == {}


def test_what_a_started_journal_does_not_know_yet_is_neither_wrong_nor_over() -> None:
    room = Trouble(
        alert_id="journal-disk", severity=Severity.WARNING, code=AlertCode.JOURNAL_DISK,
        facts={"least": 1, "folder": "x"},
    )  # fmt: skip
    state, _ = heard(FRESH, troubles=(room, trouble(Severity.CRITICAL)))
    state = after(state, raised(AlertCode.JOURNAL_STOPPED, "journal-stopped", Severity.CRITICAL, {
        "failure": "disk", "problem": "No space left on device",
    }))  # fmt: skip
    state, said = heard(state, unknown=EVERYTHING)
    assert said == [] and set(state.own) == {"journal-disk", "journal-stopped"}
    state, said = heard(state, unknown=("journal-disk",))
    assert said == [("journal-stopped", True)]
    state, said = heard(state, troubles=(room,))
    assert said == []


def test_an_end_whose_words_a_build_before_did_not_give_is_not_told() -> None:
    facts = {"stream": "orders", "after": "1-0", "before": "5-0"}
    old = AlertRaised(**{**alert("journal-gap-1").model_dump(), "code": "journal_hole", "facts": facts})
    state = after(FRESH, old).but(own={"journal-gap-1": Severity.WARNING})
    state, said = heard(state)
    assert said == [] and state.own == {}


def test_a_trouble_that_ended_before_its_alert_was_read_back_ends_in_its_own_words() -> None:
    facts = {"stream": "orders", "length": 9, "reader": "risk", "pause": 9}
    long = Trouble(
        alert_id="long", severity=Severity.WARNING, code=AlertCode.STREAM_LONG.value, facts=facts
    )  # fmt: skip
    state = after(FRESH, JournalReported(lines=1, lag_ms=0, troubles=(long,)))
    (over,) = decide(state, received(JournalReported(lines=2, lag_ms=0))).out
    assert isinstance(over.message, AlertRaised) and over.message.resolved
    assert over.message.title == "The stream orders is short again"


def test_what_was_told_is_forgotten_in_time_but_never_while_it_waits_for_a_person() -> None:
    state = after(FRESH, alert("w", Severity.WARNING), alert("c"), later(21_600))
    assert set(state.open) == {"c"}


def disconnected(*, over: bool = False) -> AlertRaised:
    facts: dict[str, Any] = {} if over else {"problem": "the control says 0"}
    severity = Severity.INFO if over else Severity.CRITICAL
    return raised(AlertCode.DISCONNECTED, "disconnect", severity, facts, resolved=over)


def test_a_trouble_whose_end_will_be_told_is_known_until_then() -> None:
    state = after(FRESH, disconnected(), acknowledged("disconnect"), later(100_000))
    assert state.open["disconnect"].acknowledged_by == "kim"
    state = after(state, delivered(state), received(disconnected(over=True), START_NS + 100_001 * SECOND))
    assert reasons(state) == [NoticeReason.RESOLVED] and not state.open


def test_a_critical_that_comes_and_goes_escalates_as_one_that_lasts() -> None:
    state = NotifierState(policy=AlertPolicy(escalation_webhook="boss"))
    escalated = []
    for second in range(0, 1_200, 60):
        now_ns = START_NS + second * SECOND
        state = after(state, received(disconnected(), now_ns), Tick(now_ns))
        escalated += [second for notice in state.outbox if notice.webhook == "boss"]
        state = after(state, received(disconnected(over=True), now_ns + 30 * SECOND))
        state = after(state, delivered(state))
    assert escalated == [900]


def test_one_that_was_answered_and_comes_back_is_counted_from_then() -> None:
    state = after(FRESH, disconnected(), acknowledged("disconnect"), disconnected(over=True))
    back_ns = START_NS + 200 * SECOND
    state = after(state, received(disconnected(), back_ns))
    state = after(state, delivered(state), Tick(back_ns + 299 * SECOND))
    assert state.outbox == ()
    assert reasons(after(state, Tick(back_ns + 300 * SECOND))) == [NoticeReason.REPEATED]


def buried(count: int) -> AlertRaised:
    facts = {"service": "risk", "stream": "orders", "count": count, "entry": f"{count}-0", "problem": "x"}
    return raised(AlertCode.DEAD_LETTER, "dead-risk-orders", Severity.CRITICAL, facts)


def test_the_first_buried_entry_after_a_restart_is_told_although_its_count_is_lower() -> None:
    state = after(FRESH, buried(57), buried(1), buried(1))
    assert [notice.alert.facts["count"] for notice in state.outbox] == [57, 1]


def test_a_second_buried_entry_is_told_although_its_alert_is_open() -> None:
    state = after(FRESH, buried(1), buried(1), buried(2))
    assert [notice.alert.facts["entry"] for notice in state.outbox] == ["1-0", "2-0"]
    state = after(state, delivered(state), acknowledged("dead-risk-orders"), buried(3))
    assert reasons(state) == [NoticeReason.ACKNOWLEDGED], "somebody looks at them already"


def test_a_buried_entry_is_repeated_until_a_person_acknowledges_it() -> None:
    burials, (told,) = Burials("risk").counted("{arb}:orders", "1-0", "x", 0).told(0)
    state = after(FRESH, received(told, START_NS))
    state = after(state, delivered(state))
    for now_s in range(10, 300, 10):
        burials, alerts = burials.told(now_s * SECOND)
        state = after(state, *(received(alert, START_NS + now_s * SECOND) for alert in alerts))
        state = after(state, Tick(START_NS + now_s * SECOND))
    assert state.outbox == ()
    state = after(state, Tick(START_NS + 300 * SECOND))
    assert reasons(state) == [NoticeReason.REPEATED]
    state = after(state, delivered(state), acknowledged(told.alert_id), Tick(START_NS + 86_400 * SECOND))
    assert told.alert_id not in state.open


@pytest.mark.parametrize(("seen", "quiet", "loud"), [(1, 10, 11), (2, 11, 12), (50, 99, 100)])
def test_an_acknowledgement_covers_the_count_that_was_seen(seen: int, quiet: int, loud: int) -> None:
    state = after(FRESH, buried(seen), acknowledged("dead-risk-orders"))
    state = after(state, delivered(state), buried(quiet))
    assert reasons(state) == []
    state = after(state, buried(loud))
    assert reasons(state) == [NoticeReason.RAISED]
    assert state.open["dead-risk-orders"].waits_for_a_person


def test_an_acknowledged_count_that_begins_anew_covers_nothing_of_the_new_one() -> None:
    state = after(FRESH, buried(50), acknowledged("dead-risk-orders"), *map(buried, range(1, 10)))
    assert reasons(state) == [NoticeReason.RAISED, NoticeReason.ACKNOWLEDGED]
    assert reasons(after(state, buried(10)))[2:] == [NoticeReason.RAISED]


def test_an_acknowledgement_of_one_stream_covers_no_other() -> None:
    def restarted(stream: str, count: int) -> AlertRaised:
        facts = {"stream": stream, "after": "2-0", "before": "1-0", "count": count}
        return raised(AlertCode.JOURNAL_RESTARTED, "journal-restarted", Severity.CRITICAL, facts)

    state = after(FRESH, restarted("ticks", 1), acknowledged("journal-restarted"), restarted("ticks", 2))
    assert reasons(state) == [NoticeReason.RAISED, NoticeReason.ACKNOWLEDGED]
    state = after(state, restarted("orders", 3), acknowledged("journal-restarted"))
    assert reasons(state)[2:] == [NoticeReason.RAISED, NoticeReason.ACKNOWLEDGED]
    assert reasons(after(state, restarted("ticks", 4), restarted("orders", 5))) == reasons(state)


def test_what_has_no_end_gives_way_before_what_lasts() -> None:
    gate = raised(AlertCode.GATE_FEED, "gate-feed", Severity.WARNING, {"problem": "KRX"})
    state = after(FRESH, gate)
    for number in range(MAX_OPEN + 50):
        state = after(state, alert(f"w{number}", Severity.WARNING))
    assert len(state.open) == MAX_OPEN and "gate-feed" in state.open


def test_a_restart_keeps_the_outbox_and_everything_that_was_told() -> None:
    state = after(FRESH, alert("a"), alert("w", Severity.WARNING), acknowledged("a"), later(301))
    again = restore(NotifierState(), changed_parts(None, state))
    assert (again.outbox, again.open, again.handing_over) == (state.outbox, state.open, state.handing_over)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["raise", "resolve", "acknowledge", "deliver", "tick"]),
        st.integers(0, 5),
        st.sampled_from(list(Severity)),
        st.integers(0, 400),
    ),
    max_size=60,
)


@given(EVENTS)
def test_every_critical_alert_is_delivered_or_in_the_outbox(
    events: list[tuple[str, int, Severity, int]],
) -> None:
    state, now_ns, told = FRESH, START_NS, set()
    for what, number, severity, seconds in events:
        now_ns += seconds * SECOND
        name = f"a{number}"
        match what:
            case "raise":
                before = state.open.get(name)
                state = after(state, received(alert(name, severity), now_ns))
                put_off = before is None and state.open[name].flaps >= FLAPS_TOLD
                if (
                    severity is Severity.CRITICAL
                    and not put_off
                    and (before is None or before.alert.severity is not Severity.CRITICAL)
                ):
                    assert any(
                        n.alert.alert_id == name and n.reason is NoticeReason.RAISED for n in state.outbox
                    )
            case "resolve":
                state = after(state, received(resolved(name), now_ns))
                assert name not in state.open
            case "acknowledge":
                state = after(state, received(acknowledged(name), now_ns))
            case "deliver":
                told |= {n.notice_id for n in state.outbox}
                state = after(state, delivered(state))
                assert state.outbox == ()
            case "tick":
                state = after(state, Tick(now_ns))
        assert not told & {n.notice_id for n in state.outbox}, "nothing delivered goes out again"
        assert {n.alert.alert_id for n in state.outbox if n.reason is NoticeReason.REPEATED} <= set(
            state.open
        )


def test_a_storm_stays_bounded_and_what_finds_no_room_is_in_the_digest() -> None:
    state = FRESH
    for number in range(MAX_OUTBOX + 150):
        state = after(state, alert(f"a{number}"))
    assert len(state.outbox) == MAX_OUTBOX and len(state.open) == MAX_OPEN
    assert len(state.digest) == MAX_DIGEST_LINES
    assert len(state.digest) + state.digest_more == 150


def test_a_storm_of_warnings_neither_pushes_out_nor_delays_what_is_critical() -> None:
    policy = AlertPolicy(immediate_kinds=frozenset(AlertKind))
    state = NotifierState(policy=policy)
    for number in range(250):
        state = after(state, alert(f"w{number}", Severity.WARNING))
    state = after(state, alert("c"))
    for number in range(250, 500):
        state = after(state, alert(f"w{number}", Severity.WARNING))
    assert len(state.outbox) == MAX_QUIET_WAITING + 1
    assert any(notice.alert.alert_id == "c" for notice in state.outbox)
    assert len(state.digest) + state.digest_more + MAX_QUIET_WAITING == 500
    first = Lane().due(state.outbox, now_s=0.0)
    assert [notice.alert.alert_id for notice in first] == ["c"]


def test_what_comes_back_soon_goes_on_counting_since_the_first_time() -> None:
    state = after(FRESH, received(alert(), START_NS), received(resolved(), START_NS + 180 * SECOND))
    over = state.outbox[-1]
    assert (over.raised_ns, over.ended_ns) == (START_NS, START_NS + 180 * SECOND)
    state = after(state, received(alert(), START_NS + 300 * SECOND))
    again = state.outbox[-1]
    assert (again.seen, again.since_ns, again.raised_ns) == (2, START_NS, START_NS + 300 * SECOND)
    state = after(state, received(resolved(), START_NS + 301 * SECOND), later(1_000))
    fresh = after(state, received(alert(), START_NS + 1_001 * SECOND)).outbox[-1]
    assert (fresh.seen, fresh.since_ns) == (1, START_NS + 1_001 * SECOND)


def test_what_comes_and_goes_is_told_at_most_once_a_minute_and_how_it_stands_in_the_end() -> None:
    state = FRESH
    for second in range(0, 40, 2):
        state = after(
            state,
            received(alert(), START_NS + second * SECOND),
            received(resolved(), START_NS + (second + 1) * SECOND),
            later(second + 1),
        )
    assert len(state.outbox) == 2 * FLAPS_TOLD
    state = after(state, received(alert(), START_NS + 41 * SECOND), later(64))
    assert len(state.outbox) == 2 * FLAPS_TOLD
    state = after(state, later(66))
    assert state.outbox[-1].reason is NoticeReason.RAISED and state.outbox[-1].seen == 21


def test_nobody_answering_calls_the_second_webhook_and_a_name() -> None:
    policy = AlertPolicy(
        webhooks={Severity.CRITICAL: "desk"}, escalation_webhook="boss", escalation_mention="<!channel>"
    )
    state = after(NotifierState(policy=policy), alert())
    assert [notice.webhook for notice in state.outbox] == ["desk"]
    state = after(state, delivered(state), later(300))
    assert [(notice.webhook, notice.mention) for notice in state.outbox] == [("desk", "")]
    state = after(state, delivered(state), later(900))
    assert [(n.webhook, n.mention) for n in state.outbox] == [("desk", "<!channel>"), ("boss", "<!channel>")]


def test_a_webhook_that_takes_nothing_is_passed_over_by_the_escalation() -> None:
    state = after(
        NotifierState(policy=AlertPolicy(escalation_webhook="boss")), alert(), later(300), later(900)
    )
    assert [(notice.webhook, notice.reason) for notice in state.outbox] == [
        ("", NoticeReason.RAISED), ("boss", NoticeReason.REPEATED),
    ]  # fmt: skip


def test_each_severity_has_its_webhook_in_digests_too() -> None:
    policy = AlertPolicy(webhooks={Severity.WARNING: "desk", Severity.INFO: "log"})
    state = after(
        NotifierState(policy=policy), alert("w", Severity.WARNING), alert("i", Severity.INFO), later(300)
    )
    lines = {digest.webhook: [line.alert.alert_id for line in digest.lines] for digest in state.handing_over}
    assert lines == {"desk": ["w"], "log": ["i"]}
