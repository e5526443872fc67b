"""What a test asks of a journal that was read back."""

from pathlib import Path

from services.contracts.streams import Stream
from services.notifier.journal_line import Gap
from services.notifier.journal_reader import read_lines


def gaps_of(folder: Path, stream: Stream) -> list[Gap]:
    """Return the marked gaps of one stream in one date's folder."""
    return [line.gap for line in read_lines(folder, stream) if line.gap is not None]
