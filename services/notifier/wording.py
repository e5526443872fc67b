"""Alerts as people read them: one line for a terminal, blocks for Slack; in Korean or English.

The words of an alert stand in the contracts; here are the labels around them, the facts in two
columns (symbol, amount, age, how often) and the layout. Pure: the present moment and the names of
symbols are arguments. Times are Korean time.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Final

from services.contracts.alert_text import Language, in_language, lasting, won
from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.terms import Severity, Symbol
from services.notifier.policy import LOUDNESS
from services.notifier.state import Digest, Notice, NoticeReason
from services.runtime.slack_blocks import (
    FIELD_CHARS,
    SIGN_OVER,
    SIGNS,
    TEXT_CHARS,
    Block,
    Payload,
    alert_blocks,
    cut,
    escaped,
    header,
    one_line,
    section,
)

SHOWN_WHOLE: Final = 5
"""As many notices of one message are laid out whole; more are a row each."""
ROWS_MOST: Final = 40
ROWS_IN_SECTION: Final = 5
KST: Final = timezone(timedelta(hours=9), "KST")
_SIGN_TAKEN: Final = ":raising_hand:"

Names = Mapping[Symbol, str]

_LABELS: Final[Mapping[Language, Mapping[str, str]]] = {
    Language.ENGLISH: {
        "critical": "CRITICAL", "warning": "WARNING", "info": "INFO", "resolved": "RESOLVED",
        "repeated": "NOT ACKNOWLEDGED", "acknowledged": "ACKNOWLEDGED",
        "symbol": "Symbol", "amount": "Amount", "age": "Age", "lasted": "Resolved after", "pair": "Pair",
        "seen": "Seen", "times": "{seen} times since {at}", "by": "By", "next": "Next step",
        "ack": "Acknowledge: {command}",
        "digest": "Digest: {count} alerts", "storm": "{count} alerts at once",
        "more": "+{count} more, all are in the journal",
        "test": "Test message of the KRX-NXT arbitrage notifier",
        "test_detail": "If you read this, alerts reach this channel.",
    },
    Language.KOREAN: {
        "critical": "긴급", "warning": "주의", "info": "정보", "resolved": "해소",
        "repeated": "미확인", "acknowledged": "확인됨",
        "symbol": "종목", "amount": "금액", "age": "경과", "lasted": "해소까지", "pair": "페어",
        "seen": "발생", "times": "{at}부터 {seen}회", "by": "담당", "next": "다음 조치",
        "ack": "확인 처리: {command}", "digest": "알림 모음 {count}건", "storm": "동시 알림 {count}건",
        "more": "외 {count}건, 전체는 저널에 있습니다",
        "test": "KRX-NXT 차익거래 알림 시험 메시지",
        "test_detail": "이 메시지가 보이면 알림이 이 채널로 전달됩니다.",
    },
}  # fmt: skip


def notice_line(notice: Notice, now_ns: int, language: Language, names: Names) -> str:
    """Return a notice as one plain line, for a terminal, a log, and where Slack shows no blocks."""
    alert, label = notice.alert, _LABELS[language]
    said = in_language(alert, language, _symbol(alert.symbol, names) if alert.symbol else "")
    words = [f"[{_headline(notice, language)}] {said.title}"]
    words += [f"{name} {value}" for name, value in _facts(notice, now_ns, language, names)]
    if notice.reason is not NoticeReason.ACKNOWLEDGED:
        words.append(said.detail)
    if said.next_step and notice.reason in (NoticeReason.RAISED, NoticeReason.REPEATED):
        words.append(f"{label['next']}: {said.next_step}")
    return one_line(" | ".join(word for word in words if word))


def notices_message(notices: Sequence[Notice], now_ns: int, language: Language, names: Names) -> Payload:
    """Return one Slack message of several notices: a few whole, many as a row each."""
    blocks: list[Block] = []
    mentions = sorted({notice.mention for notice in notices if notice.mention})
    if len(notices) <= SHOWN_WHOLE:
        for notice in notices:
            blocks += [{"type": "divider"}] if blocks else []
            blocks += _notice_blocks(notice, now_ns, language, names)
    else:
        blocks.append(header(_LABELS[language]["storm"].format(count=len(notices))))
        blocks += _rows([_notice_row(notice, now_ns, language, names) for notice in notices])
    if mentions:
        blocks.insert(0, section(" ".join(mentions)))
    lines = "\n".join(cut(notice_line(n, now_ns, language, names), TEXT_CHARS // 2) for n in notices)
    return Payload(" ".join([*mentions, cut(escaped(lines), TEXT_CHARS)]), tuple(blocks))


def digest_message(digest: Digest, language: Language, names: Names) -> Payload:
    """Return one Slack message of a digest: a line for each alert, the most severe first."""
    label = _LABELS[language]
    title = label["digest"].format(count=sum(line.seen for line in digest.lines) + digest.more)
    loudest = sorted(digest.lines, key=lambda line: -LOUDNESS[line.alert.severity])
    rows = [_digest_row(line.alert, line.seen, line.at_ns, language, names) for line in loudest[:ROWS_MOST]]
    hidden = len(digest.lines) - len(rows) + digest.more
    if hidden > 0:
        rows.append(label["more"].format(count=hidden))
    return Payload(escaped(title), (header(title), *_rows(rows)))


def trial_message(language: Language) -> Payload:
    """Return what `arb slack test` posts."""
    label = _LABELS[language]
    return Payload(label["test"], (header(label["test"]), section(label["test_detail"])))


def _notice_blocks(notice: Notice, now_ns: int, language: Language, names: Names) -> tuple[Block, ...]:
    alert, label = notice.alert, _LABELS[language]
    said = in_language(alert, language, _symbol(alert.symbol, names) if alert.symbol else "")
    waits = notice.reason in (NoticeReason.RAISED, NoticeReason.REPEATED)
    told = "" if notice.reason is NoticeReason.ACKNOWLEDGED else said.detail
    step = f"*{label['next']}*  {said.next_step}" if said.next_step and waits else ""
    command = label["ack"].format(command=f"`arb ack {alert.alert_id}`")
    at = f"{_clock(notice.raised_ns)} KST"
    small = f"{at}  ·  {command}" if waits and alert.severity is Severity.CRITICAL else at
    title = f"{_sign(notice)} {_headline(notice, language)}: {said.title}"
    return alert_blocks(title, _facts(notice, now_ns, language, names), told, step, small)


def _notice_row(notice: Notice, now_ns: int, language: Language, names: Names) -> str:
    line = notice_line(notice, now_ns, language, names)
    return f"{_sign(notice)} {cut(escaped(line), FIELD_CHARS)}"


def _digest_row(alert: AlertRaised, seen: int, at_ns: int, language: Language, names: Names) -> str:
    sign = SIGN_OVER if alert.resolved else SIGNS[alert.severity]
    symbol = _symbol(alert.symbol, names) if alert.symbol else ""
    said = in_language(alert, language, symbol)
    where = f" {symbol}" if symbol not in said.title else ""
    often = _LABELS[language]["times"].format(seen=seen, at=_clock(at_ns)) if seen > 1 else _clock(at_ns)
    amount = "" if alert.amount_krw is None else f" {won(alert.amount_krw)}"
    row = one_line(f"{said.title}{where}{amount} ({often}): {said.detail}")
    return f"{sign} {cut(escaped(row), FIELD_CHARS)}"


def _rows(rows: Sequence[str]) -> list[Block]:
    return [
        section("\n".join(rows[at : at + ROWS_IN_SECTION])) for at in range(0, len(rows), ROWS_IN_SECTION)
    ]


def _headline(notice: Notice, language: Language) -> str:
    label = _LABELS[language]
    severity = label[notice.alert.severity.value]
    return severity if notice.reason is NoticeReason.RAISED else f"{severity}, {label[notice.reason.value]}"


def _sign(notice: Notice) -> str:
    if notice.reason is NoticeReason.RESOLVED:
        return SIGN_OVER
    return _SIGN_TAKEN if notice.reason is NoticeReason.ACKNOWLEDGED else SIGNS[notice.alert.severity]


def _facts(notice: Notice, now_ns: int, language: Language, names: Names) -> list[tuple[str, str]]:
    alert, label = notice.alert, _LABELS[language]
    until_ns = notice.ended_ns or now_ns
    age_ms = (alert.age_ms or 0) + max(0, until_ns - notice.raised_ns) // NS_PER_MS
    facts = []
    if alert.symbol:
        facts.append((label["symbol"], _symbol(alert.symbol, names)))
    if alert.amount_krw is not None:
        facts.append((label["amount"], won(alert.amount_krw)))
    facts.append((label["lasted" if notice.ended_ns else "age"], lasting(age_ms, language)))
    if notice.seen > 1:
        times = label["times"].format(seen=notice.seen, at=_clock(notice.since_ns))
        facts.append((label["seen"], times))
    if alert.pair_id:
        facts.append((label["pair"], alert.pair_id))
    if notice.by:
        facts.append((label["by"], notice.by))
    return facts


def _symbol(symbol: Symbol, names: Names) -> str:
    name = names.get(symbol)
    return f"{name} ({symbol})" if name else symbol


def _clock(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // NS_PER_S, KST).strftime("%H:%M:%S")
