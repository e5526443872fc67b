"""The shares the desk trades: the symbol map, and where it comes from.

Owns the invariant that a file is taken whole or not at all: every fault of it is listed in one
`SymbolMapError`, and a map that parses names each share once, on both venues, in a known group.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from services.contracts.envelope import MAP_BYTES
from services.contracts.reference import NXT_SUFFIX, Frozen, SymbolEntry
from services.contracts.terms import Market, Symbol, Venue
from services.market.errors import Problem, SymbolMapError

SYMBOL_MAP_COLUMNS = ("KRX_code", "NXT_code", "name", "market", "group", "enabled")
PILOT_COLUMNS = ("index", "ticker")
LISTING_COLUMNS = ("code", "name_en", "name_kr", "market", "base_price_krw")
_CODE = re.compile(r"[0-9][0-9A-Z]{5}")
_BOOLEANS = {"true": True, "false": False}

Row = tuple[int, dict[str, str]]
"""(line in the file, text by column)."""


class ListedShare(Frozen):
    """A share as the exchange lists it, with a base price to start a simulation from."""

    code: Symbol
    name_en: str
    name_kr: str
    market: Market
    base_price_krw: Annotated[int, Field(ge=1)]


def feed_code(symbol: Symbol, venue: Venue) -> str:
    """The code a venue's data is registered under: plain for KRX, `_NX` for NXT (Kiwoom sheet 4.1)."""
    return symbol if venue is Venue.KRX else symbol + NXT_SUFFIX


def parse_feed_code(code: str) -> tuple[Symbol, Venue]:
    """The share and venue of a registered code. Raises ValueError for any other text (`_AL` included)."""
    plain, venue = (code[: -len(NXT_SUFFIX)], Venue.NXT) if code.endswith(NXT_SUFFIX) else (code, Venue.KRX)
    if not _CODE.fullmatch(plain):
        raise ValueError(f"{code!r} is not a share's code, with or without {NXT_SUFFIX}")
    return Symbol(plain), venue


def parse_symbol_map(text: str, filename: str, groups: Sequence[str]) -> tuple[SymbolEntry, ...]:
    """The entries of `symbol_map.csv`, in its order.

    `groups` are the groups that may be named. Raises SymbolMapError listing every problem.
    """
    rows, problems = _read_rows(text, filename, SYMBOL_MAP_COLUMNS)
    for line, row in rows:
        faults = [*_code_faults(row["KRX_code"], "KRX_code"), *_map_row_faults(row, groups)]
        problems += [Problem(filename, f"line {line}", what, mend) for what, mend in faults]
    problems += _duplicates(rows, "KRX_code", filename) + _duplicates(rows, "NXT_code", filename)
    if not rows and not problems:
        problems.append(Problem(filename, "line 2", "no share is listed", "add at least one row"))
    _refuse(problems)
    entries = tuple(_entry(row) for _, row in rows)
    _refuse(_too_large(entries, filename))
    return entries


def _too_large(entries: Sequence[SymbolEntry], filename: str) -> list[Problem]:
    """All rows travel in one message, those that are off too: what no reader takes is never published."""
    size = sum(len(entry.model_dump_json().encode()) + 1 for entry in entries)
    if size <= MAP_BYTES:
        return []
    most = len(entries) * MAP_BYTES // size
    what = f"{len(entries):,} rows make {size:,} bytes, and a message takes {MAP_BYTES:,} of them"
    return [Problem(filename, "file", what, f"keep about {most:,} rows: take out shares that are not traded")]


def parse_listing(text: str, filename: str) -> tuple[ListedShare, ...]:
    """The shares of `listing.csv`, in its order. Raises SymbolMapError listing every problem."""
    rows, problems = _read_rows(text, filename, LISTING_COLUMNS)
    for line, row in rows:
        faults = [*_code_faults(row["code"], "code"), *_market_faults(row["market"])]
        if not row["base_price_krw"].isdecimal() or int(row["base_price_krw"]) < 1:
            faults.append(
                (f"base_price_krw {row['base_price_krw']!r} is not a price", "write whole won, digits only")
            )
        problems += [Problem(filename, f"line {line}", what, mend) for what, mend in faults]
    problems += _duplicates(rows, "code", filename)
    _refuse(problems)
    return tuple(ListedShare.model_validate(row) for _, row in rows)


def import_pilot(
    pilot_text: str,
    listing: Iterable[ListedShare],
    groups: Sequence[str],
    filename: str = "Pilot_stocklist.csv",
) -> str:
    """The text of a `symbol_map.csv` for the desk's pilot list (`index,ticker`).

    Names and markets come from the listing; shares are dealt to `groups` in turn, all enabled. The
    same input gives the same text. Raises SymbolMapError listing every problem.
    """
    listed = {share.code: share for share in listing}
    rows, problems = _read_rows(pilot_text, filename, PILOT_COLUMNS)
    for line, row in rows:
        problems += [
            Problem(filename, f"line {line}", what, mend)
            for what, mend in _pilot_faults(row["ticker"], listed)
        ]
    problems += _duplicates(rows, "ticker", filename)
    if not groups:
        problems.append(Problem(filename, "groups", "no group to deal the shares to", "name at least one"))
    _refuse(problems)
    shares = [listed[Symbol(row["ticker"])] for _, row in rows]
    return write_symbol_map(_pilot_entry(share, groups[i % len(groups)]) for i, share in enumerate(shares))


def write_symbol_map(entries: Iterable[SymbolEntry]) -> str:
    """The text that `parse_symbol_map` reads back as the same entries."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(SYMBOL_MAP_COLUMNS)
    for e in entries:
        writer.writerow([e.krx_code, e.nxt_code, e.name, e.market, e.group, str(e.enabled).lower()])
    return out.getvalue()


def _read_rows(text: str, filename: str, columns: Sequence[str]) -> tuple[list[Row], list[Problem]]:
    """The data rows with their lines, blank lines left out, and what is wrong with their shape."""
    lines, problems = _split(text, filename)
    header = lines[0][1] if lines else []
    problems += _header_problems(header, filename, columns)
    rows: list[Row] = []
    for line, cells in lines[1:] if not problems else []:
        if not any(cells):
            continue
        if len(cells) != len(header):
            what = f"{len(cells)} fields where the header has {len(header)}"
            mend = "give every column one value; quote a value that holds a comma"
            problems.append(Problem(filename, f"line {line}", what, mend))
            continue
        rows.append((line, dict(zip(header, cells, strict=True))))
    return rows, problems


def _split(text: str, filename: str) -> tuple[list[tuple[int, list[str]]], list[Problem]]:
    """(line, trimmed cells) of every record, up to the first that is not CSV."""
    source = io.StringIO(text.removeprefix("\ufeff"), newline=None)
    reader = csv.reader(source, strict=True)
    lines: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            lines.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        where, what = f"line {reader.line_num}", f"the line is not proper CSV: {error}"
        return lines, [Problem(filename, where, what, "quote a whole value, and double a quote inside it")]
    return lines, []


def _header_problems(header: Sequence[str], filename: str, columns: Sequence[str]) -> list[Problem]:
    mend = f"make the first line {','.join(columns)}"
    missing = [f"column {column!r} is missing" for column in columns if column not in header]
    unknown = [f"column {column!r} is unknown" for column in header if column not in columns]
    twice = [f"column {column!r} is given twice" for column in columns if header.count(column) > 1]
    return [Problem(filename, "line 1", what, mend) for what in (*missing, *unknown, *twice)]


def _code_faults(code: str, column: str) -> list[tuple[str, str]]:
    if _CODE.fullmatch(code):
        return []
    mend = "write six characters, digits and capitals, first a digit"
    if code.isdecimal() and len(code) < 6:
        mend = f"write {code.zfill(6)} (a spreadsheet drops leading zeros; format the column as text)"
    return [(f"{column} {code!r} is not a share's code", mend)]


def _market_faults(market: str) -> list[tuple[str, str]]:
    known = [m.value for m in Market]
    return [] if market in known else [(f"market {market!r} is unknown", f"write one of {', '.join(known)}")]


def _map_row_faults(row: Mapping[str, str], groups: Sequence[str]) -> list[tuple[str, str]]:
    faults = _market_faults(row["market"])
    expected = row["KRX_code"] + NXT_SUFFIX
    if _CODE.fullmatch(row["KRX_code"]) and row["NXT_code"] != expected:
        faults.append((f"NXT_code {row['NXT_code']!r} does not belong to this KRX_code", f"write {expected}"))
    if row["group"] not in groups:
        faults.append((f"group {row['group']!r} is unknown", f"write one of {', '.join(groups)}"))
    if row["enabled"] not in _BOOLEANS:
        faults.append((f"enabled {row['enabled']!r} is not a yes or no", "write true or false"))
    if not row["name"]:
        faults.append(("name is empty", "write the share's name"))
    return faults


def _pilot_faults(ticker: str, listed: Mapping[Symbol, ListedShare]) -> list[tuple[str, str]]:
    if faults := _code_faults(ticker, "ticker"):
        return faults
    if Symbol(ticker) in listed:
        return []
    return [(f"ticker {ticker!r} is not in the listing", "add it to listing.csv, or take it off this list")]


def _duplicates(rows: Sequence[Row], column: str, filename: str) -> list[Problem]:
    first_line: dict[str, int] = {}
    problems = []
    for line, row in rows:
        first = first_line.setdefault(row[column], line)
        if first != line:
            what = f"{column} {row[column]!r} is already on line {first}"
            problems.append(Problem(filename, f"line {line}", what, "keep one of the two lines"))
    return problems


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise SymbolMapError(tuple(problems))


def _entry(row: Mapping[str, str]) -> SymbolEntry:
    return SymbolEntry(
        krx_code=Symbol(row["KRX_code"]),
        nxt_code=row["NXT_code"],
        name=row["name"],
        market=Market(row["market"]),
        group=row["group"],
        enabled=_BOOLEANS[row["enabled"]],
    )


def _pilot_entry(share: ListedShare, group: str) -> SymbolEntry:
    return SymbolEntry(
        krx_code=share.code,
        nxt_code=feed_code(share.code, Venue.NXT),
        name=share.name_en,
        market=share.market,
        group=group,
        enabled=True,
    )
