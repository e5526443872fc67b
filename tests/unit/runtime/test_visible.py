"""Nothing in a text of others is obeyed by a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.slack_blocks import alert_blocks
from services.runtime.visible import visible, visible_line

OBEYED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


@given(st.text(st.characters(codec=None)))
def test_no_character_that_is_obeyed_is_left(text: str) -> None:
    shown = visible_line(text)
    assert not [c for c in shown if unicodedata.category(c) in OBEYED]
    shown.encode()


@given(st.text(st.characters(codec="utf-8", exclude_categories=OBEYED)))
def test_what_a_person_writes_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("가격 오류 ₩1,234 ✓ 👍", "가격 오류 ₩1,234 ✓ 👍"),
        ("\x1b[2J\x1b]0;armed\x07", "\\x1b[2J\\x1b]0;armed\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\x08c\x7f", "a\\x0db\\x08c\\x7f"),
        ("\u202e00001 tlah", "\\u202e00001 tlah"),
        ("\udc9b", "\\udc9b"),
        ("two\nlines\tand", "two\nlines\tand"),
    ],
)
def test_each_stands_as_its_code(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_slack_is_told_no_control_characters() -> None:
    wild = "\x1b[31m\u202e\x00"
    blocks = alert_blocks(wild + "t", [("By", wild)], wild + "d", wild + "n", wild + "s")
    assert "\\\\x1b[31m\\\\u202e\\\\x00" in repr(blocks)
