"""Alerts in plain words: one line for a terminal, blocks for Slack; Korean or English labels.

Titles, details and next steps come from the services as they are; what surrounds them is in the
language the desk chose. Pure: the present moment and the symbol names are arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.terms import Severity, Symbol
from services.notifier.state import Digest, Notice, NoticeReason

HEADER_CHARS: Final = 150
FIELD_CHARS: Final = 300
TEXT_CHARS: Final = 1_500
"""Slack's own bounds: header 150, field 2 000, section 3 000 characters, 50 blocks."""
DIGEST_SHOWN: Final = 40

Block = dict[str, Any]


class Language(StrEnum):
    KOREAN = "ko"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted: `text` is the fallback and the notification, `blocks` the layout."""

    text: str
    blocks: tuple[Block, ...]


_LABELS: Final[Mapping[Language, Mapping[str, str]]] = {
    Language.ENGLISH: {
        "critical": "CRITICAL", "warning": "WARNING", "info": "INFO",
        "resolved": "RESOLVED", "repeated": "STILL OPEN, not acknowledged",
        "symbol": "Symbol", "amount": "Amount", "age": "Age", "kind": "Kind", "pair": "Pair", "seen": "Seen",
        "next": "Next step", "ack": "Acknowledge", "digest": "Digest", "alerts": "alerts", "more": "more",
        "times": "times", "won": "KRW", "ms": "ms", "s": "s", "min": "min", "h": "h",
        "journal": "all are in the journal",
        "test": "Test message of the KRX-NXT arbitrage notifier",
        "test_detail": "If you read this, critical alerts will reach this channel.",
    },
    Language.KOREAN: {
        "critical": "긴급", "warning": "주의", "info": "정보",
        "resolved": "해소", "repeated": "미확인 상태로 계속 중",
        "symbol": "종목", "amount": "금액", "age": "경과", "kind": "종류", "pair": "페어", "seen": "발생",
        "next": "다음 조치", "ack": "확인 처리", "digest": "알림 모음", "alerts": "건", "more": "건 더",
        "times": "회", "won": "원", "ms": "밀리초", "s": "초", "min": "분", "h": "시간",
        "journal": "전체 내용은 저널에 있음",
        "test": "KRX-NXT 차익거래 알림 시험 메시지",
        "test_detail": "이 메시지가 보이면 긴급 알림이 이 채널로 전달됩니다.",
    },
}  # fmt: skip
_SIGNS: Final = {
    Severity.CRITICAL: ":rotating_light:",
    Severity.WARNING: ":warning:",
    Severity.INFO: ":information_source:",
}


def notice_line(notice: Notice, now_ns: int, language: Language, names: Mapping[Symbol, str]) -> str:
    """Return a notice as one plain line, for a terminal or a log."""
    alert, label = notice.alert, _LABELS[language]
    facts = [f"{name} {value}" for name, value in _facts(notice, now_ns, language, names)]
    words = [f"[{_headline(notice, language)}] {alert.title}", *facts, alert.detail]
    if alert.next_step:
        words.append(f"{label['next']}: {alert.next_step}")
    return _one_line(" | ".join(word for word in words if word))


def notices_message(
    notices: Sequence[Notice], now_ns: int, language: Language, names: Mapping[Symbol, str]
) -> Message:
    """Return one Slack message of several notices."""
    blocks: list[Block] = []
    for notice in notices:
        if blocks:
            blocks.append({"type": "divider"})
        blocks += _notice_blocks(notice, now_ns, language, names)
    text = "\n".join(_cut(notice_line(notice, now_ns, language, names), TEXT_CHARS) for notice in notices)
    return Message(_cut(_escape(text), 2 * TEXT_CHARS), tuple(blocks))


def digest_message(digest: Digest, language: Language, names: Mapping[Symbol, str]) -> Message:
    """Return one Slack message of a digest: a line for each alert, the most severe first."""
    label = _LABELS[language]
    total = sum(line.seen for line in digest.lines) + digest.more
    title = f"{label['digest']}: {total} {label['alerts']}"
    loudest = sorted(digest.lines, key=lambda line: list(_SIGNS).index(line.alert.severity))
    rows = [_digest_row(line.alert, line.seen, language, names) for line in loudest[:DIGEST_SHOWN]]
    hidden = len(digest.lines) - len(rows) + digest.more
    if hidden > 0:
        rows.append(f"+{hidden} {label['more']} ({label['journal']})")
    blocks: list[Block] = [_header(title)]
    blocks += [_section("\n".join(rows[at : at + 5])) for at in range(0, len(rows), 5)]
    return Message(_escape(title), tuple(blocks))


def trial_message(language: Language) -> Message:
    """Return what `arb slack test` posts."""
    label = _LABELS[language]
    return Message(label["test"], (_header(label["test"]), _section(label["test_detail"])))


def _notice_blocks(
    notice: Notice, now_ns: int, language: Language, names: Mapping[Symbol, str]
) -> list[Block]:
    alert, label = notice.alert, _LABELS[language]
    sign = ":white_check_mark:" if notice.reason is NoticeReason.RESOLVED else _SIGNS[alert.severity]
    facts = _facts(notice, now_ns, language, names)
    fields = [_mrkdwn(_cut(f"*{name}*\n{_escape(value)}", FIELD_CHARS)) for name, value in facts]
    blocks = [_header(f"{sign} {_headline(notice, language)}: {alert.title}")]
    blocks.append({"type": "section", "fields": fields})
    if alert.detail:
        blocks.append(_section(_escape(alert.detail)))
    if alert.next_step and notice.reason is not NoticeReason.RESOLVED:
        blocks.append(_section(f"*{label['next']}*: {_escape(alert.next_step)}"))
    if notice.reason is not NoticeReason.RESOLVED:
        command = _escape(f"{label['ack']}: `arb ack {alert.alert_id}`")
        blocks.append({"type": "context", "elements": [_mrkdwn(_cut(command, FIELD_CHARS))]})
    return blocks


def _digest_row(alert: AlertRaised, seen: int, language: Language, names: Mapping[Symbol, str]) -> str:
    label = _LABELS[language]
    sign = ":white_check_mark:" if alert.resolved else _SIGNS[alert.severity]
    often = f" ({seen} {label['times']})" if seen > 1 else ""
    where = f" {_symbol(alert.symbol, names)}" if alert.symbol else ""
    amount = "" if alert.amount_krw is None else f" {_won(alert.amount_krw, language)}"
    row = f"{alert.title}{where}{amount}{often}: {alert.detail}"
    return f"{sign} {_cut(_escape(_one_line(row)), FIELD_CHARS)}"


def _headline(notice: Notice, language: Language) -> str:
    label = _LABELS[language]
    severity = label[notice.alert.severity.value]
    return severity if notice.reason is NoticeReason.RAISED else f"{severity}, {label[notice.reason.value]}"


def _facts(
    notice: Notice, now_ns: int, language: Language, names: Mapping[Symbol, str]
) -> list[tuple[str, str]]:
    alert, label = notice.alert, _LABELS[language]
    age_ms = (alert.age_ms or 0) + max(0, now_ns - notice.raised_ns) // NS_PER_MS
    facts = [(label["age"], _age(age_ms, language)), (label["kind"], alert.kind.value)]
    if alert.amount_krw is not None:
        facts.insert(0, (label["amount"], _won(alert.amount_krw, language)))
    if alert.symbol:
        facts.insert(0, (label["symbol"], _symbol(alert.symbol, names)))
    if alert.pair_id:
        facts.append((label["pair"], alert.pair_id))
    if notice.seen > 1:
        facts.append((label["seen"], f"{notice.seen} {label['times']}"))
    return facts


def _symbol(symbol: Symbol, names: Mapping[Symbol, str]) -> str:
    name = names.get(symbol)
    return f"{name} ({symbol})" if name else symbol


def _won(amount_krw: int, language: Language) -> str:
    unit = _LABELS[language]["won"]
    return f"{amount_krw:,}{unit}" if language is Language.KOREAN else f"{amount_krw:,} {unit}"


def _age(age_ms: int, language: Language) -> str:
    label = _LABELS[language]
    gap = "" if language is Language.KOREAN else " "
    seconds = age_ms // 1_000
    if seconds < 1:
        return f"{age_ms}{gap}{label['ms']}"
    if seconds < 60:
        return f"{seconds}{gap}{label['s']}"
    if seconds < 3_600:
        return f"{seconds // 60}{gap}{label['min']} {seconds % 60}{gap}{label['s']}"
    return f"{seconds // 3_600}{gap}{label['h']} {seconds % 3_600 // 60}{gap}{label['min']}"


def _header(text: str) -> Block:
    plain = {"type": "plain_text", "text": _cut(_one_line(text), HEADER_CHARS), "emoji": True}
    return {"type": "header", "text": plain}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(_cut(text, 2 * TEXT_CHARS))}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text}


def _escape(text: str) -> str:
    """Slack reads `<!channel>` and links in angle brackets: text of ours must not start any."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
