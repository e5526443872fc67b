"""What `arb explain` says of the cross that a pair traded on."""

from collections.abc import Iterable

from services.cli.explain import story_of
from services.cli.link import Seen
from services.contracts.envelope import Envelope, Message
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.pairs import ClipRecomputed, PairApproved
from services.contracts.terms import MovedLast
from tests.contracts.examples import EXAMPLES, NOW_NS


def lines_of(pair_id: str, messages: Iterable[Message]) -> list[str]:
    wrapped = [
        Envelope.wrap(message, source="test", now_ns=NOW_NS, causation_id=f"c{number}")
        for number, message in enumerate(messages)
    ]
    return [
        line.text
        for line in story_of(pair_id, (Seen(item, "key", f"{n}-0") for n, item in enumerate(wrapped)))
    ]


def test_story_says_how_long_the_cross_stood_and_which_quote_moved_last() -> None:
    by_type = {type(message): message for message in EXAMPLES.values()}
    approved, intent, clip = by_type[PairApproved], by_type[TradeIntent], by_type[ClipRecomputed]
    assert isinstance(approved, PairApproved)
    told = [
        intent.model_copy(update={"cross_age_ms": 1_320, "moved_last": MovedLast.BID}),
        approved,
        clip.model_copy(update={"cross_age_ms": 1_410, "moved_last": MovedLast.ASK}),
    ]
    text = "\n".join(lines_of(approved.pair_id, told))
    assert "the cross had stood for 1,320 ms, the bid moved last" in text
    assert "the cross had stood for 1,410 ms, the ask moved last" in text
