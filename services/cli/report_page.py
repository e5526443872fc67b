"""A report as a person reads it: a title, what came of it, and whether it is clean."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.wording import krw
from services.simulator.promptness import PromptFigures


def report_page(title: str, rows: Iterable[tuple[str, str]], verdict: Iterable[RenderableType]) -> Group:
    """Return the report: each row names something and says what it came to."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, words in rows:
        table.add_row(name, words)
    return Group(Text(title, style="bold"), table, *verdict)


def provisional_lines(sentences: Iterable[str]) -> list[Text]:
    """Return the words that mark a report whose figures rest on what is not published yet."""
    return [Text(f"Provisional: {sentence}.", style="yellow") for sentence in sentences]


def counted(counts: dict[str, int]) -> str:
    """Return counts by name in words, `none` where there are none."""
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def prompt_rows(figures: PromptFigures) -> list[tuple[str, str]]:
    """Return the rows that say how promptly what was bought was sold again."""
    wait_ms = figures.first_sell_wait_ms
    return [
        ("first sells", f"waited {krw(wait_ms.p50)} ms for the broker's limit (p95 {krw(wait_ms.p95)} ms, "
                        f"longest {krw(wait_ms.max)} ms)"),
        ("late entries", f"{figures.entries_denied_late} denied, so that exits keep their orders a second"),
        ("unhedged", f"{krw(figures.unhedged_krw_s)} KRW x s"),
    ]  # fmt: skip
