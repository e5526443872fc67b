"""One event wakes a person once, and nothing critical is lost by it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.alert_codes import AlertCode as C
from services.contracts.alert_text import Language, raised, worded
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.step import Tick
from services.contracts.terms import Latch, Severity, TradingState
from services.notifier.echoes import CAUSES_OF_LATCH, ECHO_WITHIN_NS, unanswered
from services.notifier.policy import AlertPolicy
from services.notifier.state import NoticeReason, NotifierState
from services.risk.alerts import latch_cleared, latch_set
from services.runtime.complaints import bus_lost

from .builders import START_NS, acknowledged, after, received, resolved
from .test_core import SECOND, delivered, later, reasons

FRESH = NotifierState(policy=AlertPolicy(immediate_kinds=frozenset({AlertKind.STALE_FEED})))
CALLS = (NoticeReason.RAISED, NoticeReason.REPEATED)
LATCH = latch_set(Latch.UNPLANNED_DISCONNECT, "The connection was lost.", TradingState.REDUCE_ONLY)


def lost(alert_id: str = "disconnect") -> AlertRaised:
    return raised(C.DISCONNECTED, alert_id, Severity.CRITICAL, {"problem": "the control says 0"})


def back() -> AlertRaised:
    return raised(C.DISCONNECTED, "disconnect", Severity.INFO, {}, resolved=True)


def stranded(pair: str) -> AlertRaised:
    facts = {"symbol": "005930", "pair": pair, "qty": 3, "paid": 210_000, "problem": "", "why": "no_venue"}
    return raised(C.STRANDED, f"stranded-{pair}", Severity.CRITICAL, facts)


def told(state: NotifierState) -> list[str]:
    return [notice.alert.alert_id for notice in state.outbox]


def test_a_lost_connection_rings_once_although_it_latches() -> None:
    state = after(FRESH, lost(), LATCH)
    assert told(state) == ["disconnect"] and set(state.open) == {"disconnect", LATCH.alert_id}
    assert unanswered(state.open) == ["disconnect"]
    state = after(state, delivered(state), later(300))
    assert told(state) == ["disconnect"] and reasons(state) == [NoticeReason.REPEATED]


def test_the_latch_goes_on_where_the_connection_came_back_and_nobody_had_answered() -> None:
    state = after(FRESH, lost(), LATCH, back())
    assert reasons(state) == [NoticeReason.RAISED, NoticeReason.RESOLVED]
    assert unanswered(state.open) == [LATCH.alert_id]
    state = after(state, delivered(state), later(299))
    assert state.outbox == ()
    state = after(state, later(300))
    assert told(state) == [LATCH.alert_id] and reasons(state) == [NoticeReason.REPEATED]


def test_who_answers_for_the_connection_answers_for_its_latch() -> None:
    state = after(FRESH, lost(), LATCH, acknowledged("disconnect"), back())
    assert reasons(state) == [NoticeReason.RAISED, NoticeReason.ACKNOWLEDGED, NoticeReason.RESOLVED]
    assert after(state, delivered(state), later(9_000)).outbox == ()
    lifted = after(state, latch_cleared(Latch.UNPLANNED_DISCONNECT, "kim", "seen"))
    assert told(lifted)[-1] == LATCH.alert_id and reasons(lifted)[-1] is NoticeReason.RESOLVED


@pytest.mark.parametrize(
    "before",
    [
        (),
        (lost(), acknowledged("disconnect")),
        (lost(), back()),
        (raised(C.DISCONNECTED, "disconnect", Severity.WARNING, {"problem": "quieter than the latch"}),),
        (stranded("p1"),),
    ],
)
def test_a_latch_rings_where_nothing_just_told_of_its_cause(before: tuple[AlertRaised, ...]) -> None:
    assert told(after(FRESH, *before, LATCH))[-1] == LATCH.alert_id


def test_a_latch_that_comes_long_after_its_cause_rings() -> None:
    state = after(FRESH, lost(), received(LATCH, START_NS + ECHO_WITHIN_NS + SECOND))
    assert told(state) == ["disconnect", LATCH.alert_id]


def test_each_stranded_position_rings_and_their_latch_with_the_first() -> None:
    latch = latch_set(Latch.RESIDUAL_STRANDED, "3 shares", TradingState.REDUCE_ONLY)
    state = after(FRESH, stranded("p1"), latch, stranded("p2"), stranded("p3"))
    assert told(state) == ["stranded-p1", "stranded-p2", "stranded-p3"]


def test_an_emptied_redis_rings_once_and_not_for_each_service() -> None:
    latch = latch_set(Latch.RECONCILIATION_DIFFERENCE, "risk: emptied", TradingState.REDUCE_ONLY)
    alerts = [alert for name in ("risk", "executor", "gateway") for alert in bus_lost(name, emptied=True)]
    state = after(FRESH, *alerts, latch)
    assert told(state) == [alerts[0].alert_id]
    state = after(state, delivered(state), later(300))
    assert told(state) == [alerts[0].alert_id]
    answered = after(state, delivered(state), acknowledged(alerts[0].alert_id))
    assert not any(entry.waits_for_a_person for entry in answered.open.values())


def test_a_gateway_that_ends_because_its_connection_was_lost_rings_with_it() -> None:
    down = raised(C.GATEWAY_DOWN, "gateway-down", Severity.CRITICAL, {"problem": "exit code 10", "held": 1})
    assert told(after(FRESH, down)) == ["gateway-down"]
    state = after(FRESH, lost(), LATCH, down)
    assert told(state) == unanswered(state.open) == ["disconnect"]


def test_a_quieter_echo_goes_by_digest() -> None:
    silent = raised(C.FEED_SILENT, "feed-KRX", Severity.WARNING, {"venue": "KRX", "silence": 5_000})
    gate = raised(C.GATE_FEED, "gate-feed", Severity.WARNING, {"problem": "KRX does not move"})
    assert told(after(FRESH, gate)) == ["gate-feed"]
    state = after(FRESH, silent, gate)
    assert told(state) == ["feed-KRX"]
    assert [line.alert.alert_id for line in state.digest] == ["gate-feed"]


def test_an_echo_that_was_put_off_by_a_silent_cause_is_not_silenced() -> None:
    """A cause that flaps and was not told this time speaks for nobody."""
    state = FRESH
    for _ in range(4):
        state = after(state, lost(), back())
    state = after(state, delivered(state), lost())
    assert state.outbox == () and state.open["disconnect"].tell_at_ns
    assert told(after(state, LATCH)) == [LATCH.alert_id]


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(
    ("latch", "code"), [(latch, code) for latch, codes in CAUSES_OF_LATCH.items() for code in sorted(codes)]
)
def test_a_cause_says_itself_that_its_latch_is_to_be_lifted(
    latch: Latch, code: C, language: Language
) -> None:
    names = ("symbol", "pair", "why", "problem", "service", "venue", "direction")
    facts = {**dict.fromkeys(names, "x"), **dict.fromkeys(("qty", "paid", "apart", "limit"), 1)}
    assert f"arb latch clear {latch}" in worded(code, language, facts).next_step


ACTS = st.tuples(
    st.sampled_from(["raise", "over", "ack", "wait"]),
    st.sampled_from(["disconnect", "latch", "emptied-risk", "emptied-executor", "difference", "down"]),
    st.integers(0, 900),
)


def of_family(name: str) -> AlertRaised:
    if name.startswith("emptied"):
        (alert, _) = bus_lost(name.removeprefix("emptied-"), emptied=True)
        assert isinstance(alert, AlertRaised)
        return alert
    return {
        "disconnect": lost(),
        "latch": LATCH,
        "difference": latch_set(Latch.RECONCILIATION_DIFFERENCE, "risk: emptied", TradingState.REDUCE_ONLY),
        "down": raised(C.GATEWAY_DOWN, "gateway-down", Severity.CRITICAL, {"problem": "code 10", "held": 1}),
    }[name]


@settings(deadline=None)
@given(st.lists(ACTS, max_size=30))
def test_whatever_happens_each_critical_alert_calls_or_its_cause_does_until_somebody_answers(
    acts: list[tuple[str, str, int]],
) -> None:
    state, now_ns, called = NotifierState(), START_NS, set[str]()

    def take(state: NotifierState) -> NotifierState:
        called.update(n.alert.alert_id for n in state.outbox if n.reason in CALLS)
        return after(state, delivered(state))

    for act, name, wait_s in acts:
        now_ns += wait_s * SECOND
        alert = of_family(name)
        message = {
            "raise": alert,
            "over": alert.model_copy(update={"severity": Severity.INFO, "resolved": True}),
            "ack": acknowledged(alert.alert_id),
        }.get(act)
        event = Tick(now_ns) if message is None else received(message, now_ns)
        state = take(after(state, event))
        for alert_id, entry in state.open.items():
            assert not entry.waits_for_a_person or entry.tell_at_ns or alert_id in called or (
                entry.echo_of in called
            )  # fmt: skip
    called.clear()
    state = take(after(state, Tick(now_ns + 7_200 * SECOND)))
    assert set(unanswered(state.open)) <= called
    for entry in state.open.values():
        assert not entry.waits_for_a_person or {entry.alert.alert_id, entry.echo_of} & called


# -- what comes again --------------------------------------------------------------------------


def test_what_was_acknowledged_and_comes_after_a_long_silence_is_told_anew() -> None:
    state = after(FRESH, stranded("p1"), acknowledged("stranded-p1"))
    quiet_ns = state.policy.same_within_ns
    again = after(state, received(stranded("p1"), START_NS + quiet_ns - 1))
    assert reasons(again) == [NoticeReason.RAISED, NoticeReason.ACKNOWLEDGED]
    anew = after(state, received(stranded("p1"), START_NS + quiet_ns))
    assert reasons(anew)[-1] is NoticeReason.RAISED
    assert anew.open["stranded-p1"].waits_for_a_person


def test_the_reminders_of_a_trouble_that_came_back_are_not_those_of_the_first_time() -> None:
    """A reminder with an id that was delivered before would be taken for delivered, and never posted."""
    state = after(FRESH, stranded("p1"))
    first = after(state, delivered(state), later(300))
    over = resolved("stranded-p1")
    state = after(first, delivered(first), received(over, START_NS + 310 * SECOND))
    state = after(state, received(stranded("p1"), START_NS + 400 * SECOND))
    again = after(state, delivered(state), later(900))
    assert reasons(first) == reasons(again) == [NoticeReason.REPEATED]
    assert first.outbox[0].notice_id != again.outbox[0].notice_id


def test_what_was_put_off_and_is_answered_meanwhile_rings_no_more() -> None:
    state = FRESH
    for _ in range(4):
        state = after(state, lost(), back())
    state = after(state, delivered(state), lost(), acknowledged("disconnect"))
    assert reasons(state) == [NoticeReason.ACKNOWLEDGED]
    assert after(state, delivered(state), later(61)).outbox == ()
