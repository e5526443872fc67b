"""What people read: plain words, in their language, within Slack's bounds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.alert_text import Language
from services.contracts.limits import NS_PER_S
from services.contracts.terms import Severity
from services.notifier.lane import AT_ONCE
from services.notifier.state import MAX_DIGEST_LINES, Digest, DigestLine, NoticeReason
from services.notifier.wording import digest_message, notice_line, notices_message, trial_message

from .builders import START_NS, alert, notice

LATER_NS = START_NS + 90 * NS_PER_S
TEXTS = st.text(max_size=4_000)


def test_a_critical_alert_says_symbol_amount_age_and_next_step_in_english() -> None:
    shown = notice_line(notice(age_ms=30_000), LATER_NS, Language.ENGLISH, {"005930": "Samsung"})
    assert shown == (
        "[CRITICAL] 3 shares were not sold | Symbol Samsung (005930) | Amount ₩210,000 | Age 2 min"
        " | KRX paused the symbol. | Next step: Run `arb flatten`."
    )


def test_and_in_korean() -> None:
    shown = notice_line(notice(), LATER_NS, Language.KOREAN, {"005930": "삼성전자"})
    assert shown.startswith("[긴급] ") and "삼성전자 (005930)" in shown
    assert "금액 ₩210,000" in shown and "경과 1분 31초" in shown and "다음 조치: " in shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 ms"), (59, "59 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min")]
)
def test_ages_are_read_at_a_glance(seconds: int, shown: str) -> None:
    line = notice_line(notice(age_ms=None), START_NS + seconds * NS_PER_S, Language.ENGLISH, {})
    assert f"Age {shown}" in line


def test_a_repetition_and_an_end_say_what_they_are() -> None:
    repeated = notice().model_copy(update={"reason": NoticeReason.REPEATED, "seen": 4})
    assert "NOT ACKNOWLEDGED" in notice_line(repeated, LATER_NS, Language.ENGLISH, {})
    over = notices_message(
        [notice().model_copy(update={"reason": NoticeReason.RESOLVED})], LATER_NS, Language.KOREAN, {}
    )
    assert "해소" in over.text and "arb ack" not in json.dumps(over.blocks)


def strings(block: object) -> list[str]:
    if isinstance(block, str):
        return [block]
    if isinstance(block, dict):
        return [text for value in block.values() for text in strings(value)]
    return [text for item in block for text in strings(item)] if isinstance(block, list | tuple) else []


@given(TEXTS, TEXTS, TEXTS, st.sampled_from(list(Language)), st.integers(1, AT_ONCE))
def test_no_text_breaks_slacks_bounds_or_calls_the_whole_channel(
    title: str, detail: str, step: str, language: Language, count: int
) -> None:
    wild = notice(title="<!channel>" + title, detail=detail, next_step=step)
    message = notices_message([wild] * count, LATER_NS, language, {})
    assert len(message.blocks) <= 50
    for block in message.blocks:
        assert len(block.get("fields", ())) <= 10
        if block["type"] == "header":
            assert 0 < len(block["text"]["text"]) <= 150
        elif block["type"] == "section" and "text" in block:
            assert 0 < len(block["text"]["text"]) <= 3_000
        if block["type"] != "header":
            assert not any("<" in text or ">" in text for text in strings(block))
    assert "<" not in message.text and len(message.text) <= 3_000


@given(st.integers(1, MAX_DIGEST_LINES), st.integers(0, 500), TEXTS)
def test_a_full_digest_stays_within_bounds_and_counts_what_it_does_not_show(
    count: int, more: int, title: str
) -> None:
    lines = tuple(
        DigestLine(alert=alert(f"a{n}", Severity.WARNING, title=title), at_ns=START_NS) for n in range(count)
    )
    message = digest_message(Digest(digest_id="d", lines=lines, more=more), Language.ENGLISH, {})
    assert len(message.blocks) <= 50
    assert all(len(block["text"]["text"]) <= 3_000 for block in message.blocks)
    assert f"{count + more} alerts" in message.text


def test_a_digest_begins_with_what_is_worst() -> None:
    lines = [DigestLine(alert=alert(s, s, title=s.value), at_ns=0) for s in (Severity.INFO, Severity.WARNING)]
    rows = digest_message(Digest(digest_id="d", lines=tuple(lines)), Language.ENGLISH, {}).blocks[1]
    assert rows["text"]["text"].startswith(":warning:")


def test_both_languages_have_every_word() -> None:
    for language in Language:
        assert trial_message(language).text
        for severity in Severity:
            assert notice_line(notice(severity=severity), 0, language, {})
