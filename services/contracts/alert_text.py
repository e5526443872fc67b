"""How an alert is worded: a code, facts, and a sentence in English or Korean around them. Pure.

A service names the code and the facts; the English words go into the message itself, so that
`redis-cli`, the journal and `arb status` can be read without any table, and whoever speaks
another language fills the same facts into its own words.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from services.contracts import alert_english, alert_korean, alert_terms
from services.contracts.alert_codes import AlertCode
from services.contracts.alert_words import Words
from services.contracts.envelope import FACT_CHARS
from services.contracts.messages.alerts import AlertRaised, Fact
from services.contracts.terms import Severity, Symbol


class Language(StrEnum):
    KOREAN = "ko"
    ENGLISH = "en"


WORDS: Final[Mapping[Language, Mapping[AlertCode, Words]]] = {
    Language.ENGLISH: alert_english.WORDS,
    Language.KOREAN: alert_korean.WORDS,
}
TERMS: Final[Mapping[Language, Mapping[str, Mapping[str, str]]]] = {
    Language.ENGLISH: alert_terms.ENGLISH,
    Language.KOREAN: alert_terms.KOREAN,
}
_UNITS: Final[Mapping[Language, Mapping[str, str]]] = {
    Language.ENGLISH: {
        "shares": " shares",
        "share": " share",
        "ms": " ms",
        "s": " s",
        "min": " min",
        "h": " h",
    },
    Language.KOREAN: {"shares": "주", "share": "주", "ms": "밀리초", "s": "초", "min": "분", "h": "시간"},
}


@dataclass(frozen=True, slots=True)
class Wording:
    """An alert in one language, its facts filled in."""

    title: str
    detail: str
    next_step: str


def _bounded(value: Fact) -> Fact:
    if not isinstance(value, str) or len(value) <= FACT_CHARS:
        return value
    return f"{value[:FACT_CHARS]} ... and {len(value) - FACT_CHARS:,} characters more"


def raised(
    code: AlertCode,
    alert_id: str,
    severity: Severity,
    facts: Mapping[str, Fact],
    *,
    symbol: Symbol | None = None,
    pair_id: str = "",
    amount_krw: int | None = None,
    age_ms: int | None = None,
    resolved: bool = False,
) -> AlertRaised:
    """Return the message of an alert, worded in English.

    Raises:
        KeyError: a fact that its words need is missing.
    """
    facts = {name: _bounded(value) for name, value in facts.items()}
    words = worded(code, Language.ENGLISH, facts, resolved=resolved)
    return AlertRaised(
        alert_id=alert_id, kind=code.kind, severity=severity, title=words.title, detail=words.detail,
        next_step=words.next_step, symbol=symbol, pair_id=pair_id, amount_krw=amount_krw, age_ms=age_ms,
        resolved=resolved, code=code.value, facts=dict(facts),
    )  # fmt: skip


def worded(
    code: AlertCode, language: Language, facts: Mapping[str, Fact], *, resolved: bool = False
) -> Wording:
    """Return the words of `code` with `facts` filled in.

    >>> worded(AlertCode.HALT_FILE, Language.ENGLISH, {}).title
    'A HALT file lies beside the gateway'

    Raises:
        KeyError: a fact that the words need is missing.
    """
    words, fill = WORDS[language][code], _Filling(language)
    if resolved:
        return Wording(fill.format(words.over or words.title, **facts), fill.format(words.after, **facts), "")
    return Wording(*(fill.format(text, **facts) for text in (words.title, words.detail, words.next_step)))


def in_language(alert: AlertRaised, language: Language, name: str = "") -> Wording:
    """Return an alert's words, its symbol as `name` in title and detail.

    One whose code is not known here (raised by a newer build) stays as its service wrote it.
    """
    try:
        code = AlertCode(alert.code)
        words = worded(code, language, alert.facts, resolved=alert.resolved)
        named = {**alert.facts, "symbol": name} if name else alert.facts
        shown = worded(code, language, named, resolved=alert.resolved)
    except (ValueError, KeyError):
        return Wording(alert.title, alert.detail, alert.next_step)
    return Wording(shown.title, shown.detail, words.next_step)


def won(amount_krw: int, *, signed: bool = False) -> str:
    """Return an amount as people read it.

    >>> won(1234567), won(-500), won(682, signed=True)
    ('₩1,234,567', '-₩500', '+₩682')
    """
    sign = "-" if amount_krw < 0 else "+" if signed else ""
    return f"{sign}₩{abs(amount_krw):,}"


def lasting(age_ms: int, language: Language) -> str:
    """Return a span of time in its two largest units.

    >>> lasting(184_000, Language.ENGLISH), lasting(3_600_000, Language.KOREAN)
    ('3 min 4 s', '1시간')
    """
    unit = _UNITS[language]
    seconds = age_ms // 1_000
    if seconds < 1:
        return f"{age_ms}{unit['ms']}"
    large, small, divisor = ("h", "min", 60) if seconds >= 3_600 else ("min", "s", 1)
    whole, rest = divmod(seconds // divisor, 60)
    parts = [f"{count}{unit[name]}" for count, name in ((whole, large), (rest, small)) if count]
    return " ".join(parts) or f"0{unit[small]}"


def placeholders(*texts: str) -> frozenset[tuple[str, str]]:
    """Return each (name, form) that texts hold.

    >>> sorted(placeholders("{qty:shares} of {symbol}"))
    [('qty', 'shares'), ('symbol', '')]
    """
    parts = (part for text in texts for part in string.Formatter().parse(text))
    return frozenset((name, form or "") for _, name, form, _ in parts if name)


class _Filling(string.Formatter):
    """`{amount:krw}`, `{gap:ms}`, `{qty:shares}`, `{side:side}`: a form is a unit or a table of terms."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        match format_spec:
            case "":
                return f"{value:,}" if isinstance(value, int) else str(value)
            case "krw" | "pnl":
                return won(int(value), signed=format_spec == "pnl")
            case "ms":
                return lasting(int(value), self._language)
            case "shares":
                unit = _UNITS[self._language]["share" if int(value) == 1 else "shares"]
                return f"{int(value):,}{unit}"
        return TERMS[self._language][format_spec].get(str(value), str(value))
