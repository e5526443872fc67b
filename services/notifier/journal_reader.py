"""Reads the journal back: one stream of one date, all its keys and files, in the order of Redis."""

import heapq
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from services.contracts.streams import Stream
from services.notifier.journal_folder import lines_of, parts_in
from services.notifier.journal_line import JournalLine
from services.runtime.standing import entry_order


def read_lines(folder: Path, stream: Stream | str) -> Iterator[JournalLine]:
    """Yield the lines of one stream in one date's folder, gaps and unreadable entries included.

    `folder` is `<journal>/<date>`; a folder that is not there yields nothing. Files being written
    may be read: a line not yet whole is left out.

    Raises:
        LineUnreadable: a line in the middle of a file is damaged; says which.
    """
    name = stream if isinstance(stream, str) else stream.name
    mine = [part for part in parts_in(folder) if part.stem == name or part.stem.startswith(f"{name}-")]
    by_key = [list(parts) for _, parts in groupby(mine, key=lambda part: part.stem)]
    keys = [(line for part in parts for line in lines_of(part.path)) for parts in by_key]
    return heapq.merge(*keys, key=lambda line: entry_order(line.entry_id))
