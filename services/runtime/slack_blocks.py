"""What a Slack message is made of, kept within Slack's own bounds. Pure.

One look for all who post: a header, the facts in two columns, the detail, the next step, and a
context line in small print.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.contracts.terms import Severity
from services.runtime.visible import visible

HEADER_CHARS: Final = 150
FIELD_CHARS: Final = 300
SECTION_CHARS: Final = 3_000
TEXT_CHARS: Final = 3_000
FIELDS_MOST: Final = 10
BLOCKS_MOST: Final = 50
"""Slack takes: header 150, field 2 000, section 3 000 characters; 10 fields; 50 blocks."""

SIGNS: Final = {
    Severity.CRITICAL: ":rotating_light:",
    Severity.WARNING: ":warning:",
    Severity.INFO: ":information_source:",
}
SIGN_OVER: Final = ":white_check_mark:"

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Payload:
    """What is posted: `text` is the fallback and the notification, `blocks` the layout."""

    text: str
    blocks: tuple[Block, ...] = ()

    @property
    def plain(self) -> "Payload":
        """The same without its layout."""
        return Payload(self.text)


def alert_blocks(
    header_text: str,
    facts: Sequence[tuple[str, str]],
    detail: str = "",
    next_step: str = "",
    small_print: str = "",
) -> tuple[Block, ...]:
    """Return one alert; `facts` are name and value. Texts may hold `code`, nothing else is markup.

    >>> [block["type"] for block in alert_blocks("Redis is dead", [("Age", "12 s")], small_print="gw-1")]
    ['header', 'section', 'context']
    """
    blocks = [header(header_text)]
    if facts:
        columns = [mrkdwn(f"*{escaped(name)}*\n{escaped(value)}", FIELD_CHARS) for name, value in facts]
        blocks.append({"type": "section", "fields": columns[:FIELDS_MOST]})
    if detail:
        blocks.append(section(escaped(detail)))
    if next_step:
        blocks.append(section(f":point_right: {escaped(next_step)}"))
    if small_print:
        blocks.append(context(escaped(small_print)))
    return tuple(blocks)


def header(text: str) -> Block:
    return {
        "type": "header",
        "text": {"type": "plain_text", "text": cut(visible(one_line(text)), HEADER_CHARS), "emoji": True},
    }


def section(text: str) -> Block:
    return {"type": "section", "text": mrkdwn(text, SECTION_CHARS)}


def context(text: str) -> Block:
    return {"type": "context", "elements": [mrkdwn(text, FIELD_CHARS)]}


def mrkdwn(text: str, most: int) -> Block:
    return {"type": "mrkdwn", "text": cut(visible(text), most)}


def escaped(text: str) -> str:
    """Slack reads `<!channel>` and links in angle brackets: text of ours must not start any."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def one_line(text: str) -> str:
    return " ".join(text.split())


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
