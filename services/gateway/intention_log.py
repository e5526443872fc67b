"""The log that holds "at most once": an intention is on disk before its order is sent.

One file a trading date, a JSON object a line, appended only. `intent` lines are synced to disk
before SendOrder; the others only shorten recovery. A torn last line is an intention whose sync did
not finish, so its order was never sent; a bad line anywhere else means that the file was
damaged, and nothing is traded until a person has looked.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from services.contracts.messages.orders import OrderFacts
from services.contracts.terms import Symbol, TradingDate
from services.gateway.evidence import Evidence
from services.gateway.order_table import OrderRecord, Stage
from services.gateway.over_night import OverNight
from services.runtime.private import FILE_MODE, private_folder

_RECORD: TypeAdapter[OrderRecord] = TypeAdapter(OrderRecord)
_NIGHT: TypeAdapter[OverNight] = TypeAdapter(OverNight)
_SEEN: TypeAdapter[Evidence] = TypeAdapter(Evidence)
Line = Mapping[str, Any]
BASELINE, CARRIED, CLAIMED = "baseline", "carried", "claimed"
STRANGER, SCREENS = "stranger", "screens"
_OF_NO_ORDER = (BASELINE, CARRIED, CLAIMED, STRANGER, SCREENS)
_STEM, _SUFFIX = "intentions-", ".jsonl"
_NAMES = f"{_STEM}????-??-??{_SUFFIX}"


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_TAIL = 64
"""Bytes before what was last read that must still be there."""


class LogDamaged(RuntimeError):
    """A line in the middle of the log cannot be read."""


def intent(record: OrderRecord, account: str = "") -> dict[str, Any]:
    return {"k": "intent", "record": _RECORD.dump_python(record, mode="json"), "account": account}


def not_sent(order_id: str) -> dict[str, Any]:
    return {"k": "not_sent", "id": order_id}


def numbered(order_id: str, broker_order_no: str) -> dict[str, Any]:
    return {"k": "number", "id": order_id, "no": broker_order_no}


def reopened(order_id: str) -> dict[str, Any]:
    """An order that had closed lives."""
    return {"k": "reopened", "id": order_id}


def closed(record: OrderRecord) -> dict[str, Any]:
    """An order is over. Whether the broker refused it, and whether only a person could tell it from others,
    says which evidence may open it again."""
    return {
        "k": "closed", "id": record.order_id, "facts": record.facts.model_dump(mode="json"),
        "rejected": record.rejected, "ambiguous": record.ambiguous,
    }  # fmt: skip


def screens(*, echoed: bool, account: str = "") -> dict[str, Any]:
    """What frames have shown of whether the broker echoes our screens."""
    return {"k": SCREENS, "echoed": echoed, "account": account}


def baseline(
    held: Mapping[Symbol, int], account: str = "", at_ns: int = 0, open_: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """What the account holds that no order of the day explains, as first taken at `at_ns` (Redis time).

    `open_` is what orders that are not ours had filled by then, None once a whole comparison has closed it.
    """
    filled = None if open_ is None else dict(open_)
    return {"k": BASELINE, "held": dict(held), "account": account, "at": at_ns, "open": filled}


def stranger(seen: Evidence, account: str = "") -> dict[str, Any]:
    """How far an order that is not ours has got: the broker is not asked for it again once it is over."""
    return {"k": STRANGER, "seen": _SEEN.dump_python(seen, mode="json"), "account": account}


def carried(shares: Mapping[str, int], night: OverNight, account: str = "") -> dict[str, Any]:
    """What pairs of earlier dates still held when this one began."""
    doubt = _NIGHT.dump_python(night, mode="json")
    return {"k": CARRIED, "pairs": dict(shares), "night": doubt, "account": account}


def claimed(pair_id: str, account: str = "") -> dict[str, Any]:
    """A person sold by hand what a pair held."""
    return {"k": CLAIMED, "pair": pair_id, "account": account}


def lines_of_account(lines: Iterable[Line], account: str) -> list[Line]:
    """Return the lines that are of this account, or name none."""
    return [line for line in lines if line.get("account", "") in ("", account)]


def account_of_lines(lines: Sequence[Line]) -> str:
    """Return the account that was written last, empty where none was."""
    return next((line["account"] for line in reversed(lines) if line.get("account")), "")


def carried_of(
    lines: Iterable[Line], stored: tuple[Mapping[str, int], OverNight]
) -> tuple[Mapping[str, int], OverNight]:
    """Return what the log says was carried into its date, `stored` where it says nothing."""
    logged = [line for line in lines if line["k"] == CARRIED]
    if not logged:
        return stored
    return logged[-1]["pairs"], _NIGHT.validate_python(logged[-1].get("night", {}))


def claimed_of(lines: Iterable[Line], stored: frozenset[str]) -> frozenset[str]:
    """Return the pairs of which a person sold by hand what they held."""
    return stored | {line["pair"] for line in lines if line["k"] == CLAIMED}


def baseline_of(lines: Iterable[Line], stored: Mapping[Symbol, int] | None) -> Mapping[Symbol, int] | None:
    """Return the newest baseline of the log, `stored` where there is none in it."""
    logged = [line["held"] for line in lines if line["k"] == BASELINE]
    return logged[-1] if logged else stored


def baseline_ns_of(lines: Iterable[Line], stored_ns: int) -> int:
    """Return when the newest baseline of the log was first taken, `stored_ns` where there is none in it."""
    logged = [int(line.get("at", 0)) for line in lines if line["k"] == BASELINE]
    return logged[-1] if logged else stored_ns


def baseline_open_of(lines: Iterable[Line], stored: Mapping[str, int] | None) -> Mapping[str, int] | None:
    """Return what keeps the newest baseline of the log open, `stored` where there is none in it."""
    logged = [line.get("open") for line in lines if line["k"] == BASELINE]
    return logged[-1] if logged else stored


def strangers_of(lines: Iterable[Line]) -> dict[str, Evidence]:
    """Return what is known of each order that is not ours, by the broker's number."""
    found: dict[str, Evidence] = {}
    for line in lines:
        if line["k"] == STRANGER:
            seen = _SEEN.validate_python(line["seen"])
            found[seen.broker_order_no] = seen
        elif line["k"] == "number":
            found.pop(line["no"], None)
    return found


def screens_of(lines: Sequence[Line]) -> bool | None:
    """Return whether the broker echoes our screens, None where the log does not say."""
    return next((line["echoed"] for line in reversed(lines) if line["k"] == SCREENS), None)


def replay(lines: Iterable[Line]) -> dict[str, OrderRecord]:
    """Return every order that may have left, by id, as far as the log knows it.

    An order without a number is unknown; one that definitely never left is not there. What is known is
    never taken back: a gateway that was replaced may have written of the same order after its successor.
    """
    records: dict[str, OrderRecord] = {}
    for line in lines:
        if line["k"] == "intent":
            record = _RECORD.validate_python(line["record"])
            records.setdefault(record.order_id, replace(record, stage=Stage.UNKNOWN))
            continue
        if line["k"] in _OF_NO_ORDER:
            continue
        known = records.get(line["id"])
        if known is None:
            continue
        if line["k"] == "not_sent":
            del records[line["id"]]
        elif line["k"] == "number":
            facts = known.facts.model_copy(update={"broker_order_no": line["no"]})
            records[line["id"]] = _alive(replace(known, facts=facts), known)
        elif line["k"] == "reopened":
            records[line["id"]] = _alive(known)
        elif line["k"] == "closed":
            facts = OrderFacts.model_validate(line["facts"])
            if _knows_more(known.facts, facts):
                continue
            records[line["id"]] = replace(
                known, facts=facts, stage=Stage.CLOSED, rejected=line.get("rejected", False),
                ambiguous=line.get("ambiguous", False),
            )  # fmt: skip
    return records


def _alive(record: OrderRecord, before: OrderRecord | None = None) -> OrderRecord:
    """Return the order as one that works; a number that was known `before` opens nothing that closed."""
    if before is not None and before.stage is Stage.CLOSED and before.facts.broker_order_no:
        return before
    facts = record.facts.model_copy(update={"closed": False})
    stage = Stage.ACCEPTED if facts.broker_order_no else Stage.UNKNOWN
    return replace(record, facts=facts, stage=stage, rejected=False)


def _knows_more(known: OrderFacts, told: OrderFacts) -> bool:
    """Whether `told` is the word of somebody who knew less of the order."""
    unnumbered = bool(known.broker_order_no) and not told.broker_order_no
    return unnumbered or told.cum_qty_shares < known.cum_qty_shares


@dataclass
class _Day:
    """What this process knows of one date's file, so that it can be written anew.

    `known` are the whole lines read of it, in its order, `mine` what was appended here since. `sent` counts
    intentions appended here and `seen` those read since the start, both by order.
    """

    known: bytearray = field(default_factory=bytearray)
    mine: bytearray = field(default_factory=bytearray)
    sent: "Counter[str]" = field(default_factory=Counter)
    seen: "Counter[str]" = field(default_factory=Counter)

    @property
    def all(self) -> bytes:
        return bytes(self.known + self.mine)

    def now_is(self, whole: bytes, others: bytes) -> None:
        """Take the file as written anew: `whole`, of which `others` had not been known."""
        self.seen.update((*_intents(bytes(self.mine)), *_intents(others)))
        self.known[:] = whole
        self.mine.clear()


@dataclass
class IntentionLog:
    """The files in `folder`. The epoch keeps a second gateway from writing to Redis, but one that was
    paused learns of its successor late: what both wrote here tells it before it sends (`written_twice`).

    A file that is not the one written, or shorter, holds "at most once" no more: `keep` writes the day's anew
    before anything else is sent. `lost` says what was found then, empty while nothing ever was.
    """

    folder: Path
    lost: str = ""

    def __post_init__(self) -> None:
        self._date = ""
        self._file = -1
        self._torn_at = -1
        self._days: dict[str, _Day] = {}

    def path(self, trading_date: str) -> Path:
        return self.folder / f"{_STEM}{trading_date}{_SUFFIX}"

    def read(self, trading_date: TradingDate, *, mend: bool = True) -> list[Line]:
        """Return the lines of a date; a torn last line is cut off the file.

        Without `mend` the file stays as it is: another gateway may be in the middle of that line.

        Raises:
            LogDamaged: another line is unreadable.
            OSError: the disk.
        """
        path = self.path(trading_date)
        if not path.exists():
            return []
        whole = _cut_to_lines(path, mend=mend)
        if mend:
            self._days[trading_date] = _Day(bytearray(whole))
        return [_parse(path, at, line) for at, line in enumerate(whole.splitlines(), 1)]

    def read_before(self, trading_date: TradingDate, *, mend: bool = True) -> list[Line]:
        """Return the lines of the newest date before this one; none where there is no such file.

        Raises:
            LogDamaged, OSError: as `read` does.
        """
        name = self.path(trading_date).name
        earlier = max((path.name for path in self.folder.glob(_NAMES) if path.name < name), default="")
        date = TradingDate(earlier.removeprefix(_STEM).removesuffix(_SUFFIX))
        return self.read(date, mend=mend) if earlier else []

    def append(self, trading_date: str, line: Line, sync: bool) -> None:
        """Append one line; with `sync`, return only when the disk has it. Raises OSError."""
        day = self._open(trading_date)
        data = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self._cut_torn()
        start = os.fstat(self._file).st_size
        try:
            _write_all(self._file, data)
            if sync:
                os.fsync(self._file)
        except OSError:
            self._torn_at = start
            self._cut_torn()
            raise
        day.mine += data
        day.sent.update(_intents(data))

    def keep(self, trading_date: str) -> str:
        """Return what is wrong with the file of a date, which is written anew then; empty where nothing is.

        Nothing that stands in a file is taken away: another gateway may have written it.

        Raises:
            OSError: the disk; the file is as wrong as it was.
        """
        day = self._days.get(trading_date)
        found = "" if day is None else self._wrong(trading_date, day)
        if day is None or not found:
            return ""
        self.lost = f"{self.path(trading_date)} {found}"
        self.close()
        self._write_anew(self.path(trading_date), day)
        self._open(trading_date)
        return self.lost

    def written_twice(self, trading_date: str, order_id: str) -> bool:
        """Whether another process has written an intention of the order that was just appended.

        Asked after the append: whoever comes second sees both, however the two were interleaved.

        Raises:
            OSError: the disk.
        """
        day = self._days.setdefault(trading_date, _Day())
        with self.path(trading_date).open("rb") as file:
            file.seek(len(day.known))
            news = file.read()
        whole = news[: news.rfind(b"\n") + 1]
        day.known += whole
        day.mine.clear()
        day.seen.update(_intents(whole))
        return day.seen[order_id] > day.sent[order_id]

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self, trading_date: str) -> _Day:
        day = self._days.setdefault(trading_date, _Day())
        if self._file >= 0 and self._date == trading_date:
            return day
        self.close()
        private_folder(self.folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._file = os.open(self.path(trading_date), flags, FILE_MODE)
        self._date, self._torn_at = trading_date, -1
        return day

    def _cut_torn(self) -> None:
        """Take off what an append that failed left of its line: the next would damage it for good."""
        if self._torn_at >= 0:
            os.ftruncate(self._file, self._torn_at)
            self._torn_at = -1

    def _wrong(self, trading_date: str, day: _Day) -> str:
        """How the file of the date is not the one that was written, empty where it is.

        Both are asked of an open file: on Windows a path and an open file name their volumes differently.
        """
        opened = self._file >= 0 and self._date == trading_date
        length = len(day.known) + len(day.mine)
        if not opened and not length:
            return ""
        if not _may_be_read(self.path(trading_date)):
            return "is no file any more"
        try:
            with self.path(trading_date).open("rb") as file:
                found = os.fstat(file.fileno())
                file.seek(max(0, len(day.known) - _TAIL))
                tail = file.read(min(_TAIL, len(day.known)))
        except FileNotFoundError:
            return "is gone"
        if found.st_size < length or not day.known.endswith(tail):
            return "was cut short or written over"
        ours = os.fstat(self._file) if opened else found
        return "" if os.path.samestat(ours, found) else "was replaced"

    def _write_anew(self, path: Path, day: _Day) -> None:
        """Bring every line that is known into the file at `path`.

        Where there is none, the whole file comes there at once, or not at all, and never over another
        gateway's: a crash in between leaves no file that lacks a line. What is there stays, and is added to;
        one that is no log is put aside.
        """
        others = b""
        if not _may_be_read(path):
            path.rename(path.with_name(f"{path.name}.{time.time_ns()}.aside"))
        if path.exists():
            lines = _cut_to_lines(path).splitlines(keepends=True)
            if all(map(_is_line, lines)):
                _append_missing(path, day, lines)
                return
            others = b"".join(_beyond(filter(_is_line, lines), day.all))
            path.rename(path.with_name(f"{path.name}.{time.time_ns()}.aside"))
        temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
        temporary.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(temporary, _NEW, 0o600), "wb") as file:
            file.write(day.all + others)
            file.flush()
            os.fsync(file.fileno())
        _place(temporary, path)
        day.now_is(day.all + others, others)


def _may_be_read(path: Path) -> bool:
    """Whether a file lies there, or nothing does. A pipe would hold its reader for ever."""
    return path.is_file() or not os.path.lexists(path)


def _append_missing(path: Path, day: _Day, lines: Sequence[bytes]) -> None:
    missing = b"".join(_beyond(day.all.splitlines(keepends=True), b"".join(lines)))
    others = b"".join(_beyond(lines, day.all))
    with path.open("ab") as file:
        file.write(missing)
        file.flush()
        os.fsync(file.fileno())
    day.now_is(b"".join(lines) + missing, others)


def _beyond(lines: Iterable[bytes], text: bytes) -> Iterator[bytes]:
    """Yield the lines that `text` does not hold, or not as often."""
    held = Counter(text.splitlines(keepends=True))
    for line in lines:
        held[line] -= 1
        if held[line] < 0:
            yield line


def _place(temporary: Path, path: Path) -> None:
    """Give a file its name; an existing one is never replaced. Raises FileExistsError, OSError."""
    if os.name == "nt":
        temporary.rename(path)
        return
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _cut_to_lines(path: Path, *, mend: bool = True) -> bytes:
    """Return the whole lines of a file; a torn last one is cut off it, with `mend`."""
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if mend and len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
            os.fsync(file.fileno())
    return whole


def _intents(lines: bytes) -> Iterator[str]:
    """Yield the order of each intention."""
    for line in lines.splitlines():
        if b'"intent"' in line:
            parsed = json.loads(line)
            if parsed["k"] == "intent":
                yield parsed["record"]["facts"]["order_id"]


def _is_line(line: bytes) -> bool:
    try:
        parsed = json.loads(line)
        return isinstance(parsed, dict) and "k" in parsed and len(list(_intents(line))) < 2
    except (ValueError, KeyError, TypeError):
        return False


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _parse(path: Path, at: int, line: bytes) -> Line:
    try:
        if not _is_line(line):
            raise ValueError("not a line of this log")
        parsed: Line = json.loads(line)
        return parsed
    except ValueError as error:
        raise LogDamaged(
            f"{path}, line {at}: {error}. Compare the day's orders with the broker's own screen, then "
            "move the file away; without it no order of that day is known to have been sent."
        ) from error
