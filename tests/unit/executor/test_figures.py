"""What the executor shows and counts: pairs, what is uncovered and for how long, residuals, doubts."""

from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_MS
from services.contracts.measures import executor as m
from services.contracts.measures.every import ORDER_PATH
from services.contracts.messages.pairs import PairClosed
from services.contracts.step import Received, Tick
from services.executor.core import decide
from services.executor.counts import counted
from services.executor.gauges import readings
from services.executor.phases import PairPhase
from tests.support.figures import Figures

from .desk import Desk


class CountingDesk(Desk):
    """A desk whose steps are counted as the loop does."""

    def __init__(self) -> None:
        self.counted = Figures("executor")
        super().__init__()

    def _decide(self, event: Received | Tick) -> list[Message]:
        before, step = self.state, decide(self.state, event)
        self.counted.take(counted(before, event, step))
        self.state = step.state
        messages = [out.message for out in step.out]
        self.said += messages
        return messages

    def shown(self) -> Figures:
        return Figures("executor").take(readings(self.state, self.now_ns))


def opened() -> CountingDesk:
    desk = CountingDesk()
    desk.open_day()
    desk.approve()
    return desk


def test_a_desk_without_pairs_shows_zeros() -> None:
    shown = CountingDesk().shown()
    assert {shown.of(m.PAIRS, phase) for phase in PairPhase if phase is not PairPhase.CLOSED} == {0}
    assert shown.of(m.OLDEST_PAIR) == shown.of(m.UNCOVERED_AGE) == shown.of(m.UNCOVERED_KRW) == 0


def test_the_command_of_the_first_buy_is_on_the_path() -> None:
    assert opened().counted.each(ORDER_PATH, "command") == [0.0]


def test_what_is_bought_and_not_sold_is_uncovered_and_ages() -> None:
    desk = opened()
    desk.fill(desk.orders[0])
    desk.now_ns += 700 * NS_PER_MS
    shown = desk.shown()
    assert shown.of(m.PAIRS, "selling") == 1
    assert shown.of(m.UNCOVERED_KRW) == 500_000
    assert shown.of(m.UNCOVERED_SHARES) == 5
    assert shown.of(m.UNCOVERED_AGE) == shown.of(m.OLDEST_PAIR) == 0.7


def test_a_closed_pair_is_counted_with_its_times() -> None:
    desk = opened()
    desk.fill(desk.orders[0])
    desk.tick(300)
    desk.fill(desk.sells[-1])
    desk.tick(1_000)
    closed = desk.last(PairClosed)
    assert desk.counted.of(m.PAIRS_CLOSED, "flat") == 1
    assert desk.counted.of(m.CLIPS) == 1
    assert desk.counted.each(m.TIME_TO_NEUTRAL) == [closed.neutral_ms / 1_000] == [0.3]
    assert desk.counted.of(m.UNCOVERED_TOTAL) == closed.uncovered_krw_ms / 1_000 == 150_000
    assert len(desk.counted.each(m.PAIR_DURATION)) == 1
    assert desk.shown().of(m.UNCOVERED_KRW) == 0


def test_a_buy_that_found_nothing_has_no_time_to_neutral() -> None:
    desk = opened()
    desk.close(desk.orders[0])
    desk.tick(1_000)
    assert desk.counted.of(m.PAIRS_CLOSED, "not_filled") == 1
    assert desk.counted.each(m.TIME_TO_NEUTRAL) == []
    assert desk.counted.of(m.CLIPS) == 0


def test_a_residual_that_strands_is_named_by_its_reason() -> None:
    desk = opened()
    desk.level(99_900)
    desk.fill(desk.orders[0])
    desk.tick(200)
    assert desk.counted.of(m.RESIDUALS) == 1
    assert desk.counted.of(m.RESIDUAL_SHARES) == 5
    for _ in range(desk.limits.flatten_attempts):
        desk.close(desk.flattens[-1])
        desk.tick(600)
    shown = desk.shown()
    assert shown.of(m.PAIRS, "stranded") == shown.of(m.STRANDED) == 1
    assert shown.of(m.STRANDED_KRW) == 500_000
    assert shown.of(m.OLDEST_PAIR) == 0, "a stranded position is a person's"
    assert desk.counted.of(m.STRANDINGS, "attempts_spent") == 1


def test_an_order_in_doubt_is_shown_until_it_is_known() -> None:
    desk = opened()
    desk.unknown(desk.orders[0])
    assert desk.shown().of(m.DOUBTFUL) == 1
    desk.fill(desk.orders[0])
    assert desk.shown().of(m.DOUBTFUL) == 0
