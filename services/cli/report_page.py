"""A report as a person reads it: a title, what came of it, and whether it is clean."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def report_page(title: str, rows: Iterable[tuple[str, str]], verdict: Iterable[RenderableType]) -> Group:
    """Return the report: each row names something and says what it came to."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, words in rows:
        table.add_row(name, words)
    return Group(Text(title, style="bold"), table, *verdict)


def counted(counts: dict[str, int]) -> str:
    """Return counts by name in words, `none` where there are none."""
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
