"""What commands print through: rich's console, which obeys nothing that stands in a text.

rich makes its own escape sequences when it writes; those that it finds in a text it would pass on. So the
text of each piece is made visible at the last step, whichever page, table or sentence it comes from.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console
from rich.segment import Segment

from services.runtime.visible import visible

_NOT_IN_JSON: Final = re.compile(r"[^\x20-\x7e\n]+")


class Terminal(Console):
    """A console whose texts come from others: from streams, from people, from files."""

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer([_harmless(segment) for segment in buffer])


def json_text(value: Any) -> str:
    """Return JSON for a script or a person's eyes: a control character stands as its escape."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return _NOT_IN_JSON.sub(lambda found: _escaped(found[0]), text)


def _escaped(text: str) -> str:
    return "".join(
        character if visible(character) == character else json.dumps(character)[1:-1] for character in text
    )


def _harmless(segment: Segment) -> Segment:
    if segment.control:
        return segment
    return Segment(visible(segment.text), segment.style)
