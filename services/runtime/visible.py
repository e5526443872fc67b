"""Text of others as it may reach a terminal or Slack: nothing in it is obeyed. Pure.

A reason, a name or an answer of the broker may hold escape sequences that colour, hide or overwrite what a
person reads, that set a window's title, or that make some terminals type. Each such character is shown.
"""

import unicodedata
from functools import cache
from typing import Final

_KEPT: Final = frozenset("\n\t")
_PLAIN: Final = frozenset(map(chr, range(0x20, 0x7F)))
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control and format characters (also those that turn the direction of writing), halves of characters,
private and unassigned ones, separators of lines and paragraphs."""


def visible(text: str) -> str:
    r"""Return a text in which every character that a terminal would obey stands as its code.

    >>> visible("stop \x1b[2J now")
    'stop \\x1b[2J now'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def visible_line(text: str) -> str:
    """Return the same on one line: line breaks and tabs are shown too."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


@cache
def _shown(character: str) -> str:
    if character in _PLAIN or character in _KEPT or unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
