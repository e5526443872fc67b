"""Every alert has its words in both languages, with the same facts in them."""

import re
from pathlib import Path

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import (
    TERMS,
    WORDS,
    Language,
    in_language,
    lasting,
    placeholders,
    raised,
    won,
    worded,
)
from services.contracts.alert_words import Words
from services.contracts.messages.alerts import Fact
from services.contracts.terms import Latch, Severity, Side, TradingState

ENGLISH, KOREAN = WORDS[Language.ENGLISH], WORDS[Language.KOREAN]
COMMAND = re.compile(r"`arb [^`]+`")
HANGUL = re.compile(r"[가-힣]")
WITHOUT_COMMAND: frozenset[AlertCode] = frozenset()
UNITS = {"", "krw", "pnl", "ms", "shares"}


def facts_of(*texts: str) -> dict[str, Fact]:
    """A fact for every placeholder: a number where a unit wants one, else a word of the table."""
    return {
        name: 1_234_567 if form in {"krw", "pnl", "ms", "shares"}
        else next(iter(TERMS[Language.ENGLISH][form])) if form else f"<{name}>"
        for name, form in sorted(placeholders(*texts))
    }  # fmt: skip


@pytest.mark.parametrize("language", Language)
def test_every_code_has_its_words_and_no_words_are_of_no_code(language: Language) -> None:
    assert set(WORDS[language]) == set(AlertCode)


@pytest.mark.parametrize("code", AlertCode)
def test_both_languages_hold_the_same_facts(code: AlertCode) -> None:
    english, korean = ENGLISH[code], KOREAN[code]
    for part in ("title", "detail", "next_step", "over", "after"):
        assert bool(getattr(english, part)) is bool(getattr(korean, part)), part
    mine, theirs = ((w.title, w.detail, w.next_step) for w in (english, korean))
    assert {name for name, _ in placeholders(*mine)} == {name for name, _ in placeholders(*theirs)}
    over = [{name for name, _ in placeholders(w.over, w.after)} for w in (english, korean)]
    assert over[0] == over[1]


@pytest.mark.parametrize("code", AlertCode)
def test_forms_are_known_and_every_placeholder_can_be_filled(code: AlertCode) -> None:
    for language in Language:
        words = WORDS[language][code]
        every = (words.title, words.detail, words.next_step, words.over, words.after)
        assert {form for _, form in placeholders(*every)} <= UNITS | set(TERMS[language])
        for resolved in (False, True):
            said = worded(code, language, facts_of(*every), resolved=resolved)
            assert said.title and "{" not in f"{said.title}{said.detail}{said.next_step}"


@pytest.mark.parametrize("code", AlertCode)
def test_korean_is_korean_and_both_name_the_same_commands(code: AlertCode) -> None:
    every = {**facts_of(*_raised_texts(ENGLISH[code]))}
    english, korean = (worded(code, language, every) for language in (Language.ENGLISH, Language.KOREAN))
    assert HANGUL.search(korean.title + korean.detail) and HANGUL.search(korean.next_step)
    assert not HANGUL.search(english.title + english.detail + english.next_step)
    commands = sorted(set(COMMAND.findall(english.detail + english.next_step)))
    assert commands == sorted(set(COMMAND.findall(korean.detail + korean.next_step)))
    assert commands or code in WITHOUT_COMMAND


def _raised_texts(words: Words) -> tuple[str, str, str]:
    return words.title, words.detail, words.next_step


def test_tables_of_terms_hold_the_same_words_in_both_languages() -> None:
    english, korean = TERMS[Language.ENGLISH], TERMS[Language.KOREAN]
    assert {table: set(words) for table, words in english.items()} == {
        table: set(words) for table, words in korean.items()
    }
    assert set(english["side"]) == set(Side)
    assert set(english["state"]) == set(TradingState)
    assert set(english["latch"]) == set(english["latch_step"]) == set(Latch)


def test_amounts_and_spans_are_written_as_people_read_them() -> None:
    facts: dict[str, Fact] = {
        "symbol": "005930", "qty": 3, "pair": "P1", "paid": 1_234_567, "problem": "The spread is gone.",
    }  # fmt: skip
    alert = raised(AlertCode.RESIDUAL, "residual-P1", Severity.WARNING, facts)
    assert alert.title == "005930: 3 shares bought and not sold in time" and "₩1,234,567" in alert.detail
    said = in_language(alert, Language.KOREAN, "삼성전자(005930)")
    assert said.title == "삼성전자(005930): 미청산 잔량 3주" and "₩1,234,567" in said.detail
    assert [won(-1_500), won(682, signed=True)] == ["-₩1,500", "+₩682"]
    assert [lasting(ms, Language.ENGLISH) for ms in (90, 59_999, 60_000, 7_260_000)] == [
        "90 ms", "59 s", "1 min", "2 h 1 min",
    ]  # fmt: skip


def test_the_command_of_a_next_step_keeps_the_code_of_the_symbol() -> None:
    facts: dict[str, Fact] = {"symbol": "005930", "by": "kim", "reason": "news"}
    alert = raised(AlertCode.SYMBOL_PAUSED, "p", Severity.INFO, facts)
    assert "`arb symbols resume 005930`" in in_language(alert, Language.KOREAN, "삼성전자(005930)").next_step


def test_an_alert_of_a_newer_build_stays_as_it_was_written() -> None:
    alert = raised(AlertCode.HALT_FILE, "h", Severity.CRITICAL, {"file": "var/HALT"}).model_copy(
        update={"code": "newer"}
    )
    assert in_language(alert, Language.KOREAN).title == "A HALT file lies beside the gateway"


def test_every_code_is_raised_by_some_service() -> None:
    """A gate's code is made of the gate's own name."""
    services = Path(__file__).resolve().parents[3] / "services"
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in services.rglob("*.py")
        if "contracts" not in path.relative_to(services).parts
    )
    raised_codes = set(re.findall(r"AlertCode\.([A-Z_]+)", source))
    gates = {code.name for code in AlertCode if code.startswith("gate_")}
    assert {code.name for code in AlertCode} == raised_codes | gates


def test_no_service_words_an_alert_by_itself() -> None:
    services = Path(__file__).resolve().parents[3] / "services"
    loose = [
        str(path.relative_to(services))
        for path in services.rglob("*.py")
        if re.search(r"(?<!class )(?<!case )\bAlertRaised\(\s*alert_id=", path.read_text(encoding="utf-8"))
    ]
    assert loose == ["contracts/alert_text.py"]
