"""What each query of the broker may answer, as data: `query_outputs.csv`.

Owns that no answer holds a field that the broker's lists do not have, and that numbers have the form of their
family: those of OPW are filled with zeros to the field's width, those of OPT stand behind a blank.
"""

from collections.abc import Mapping
from csv import DictReader
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from random import Random

Values = Mapping[str, int | str]
TABLE = Path(__file__).parent / "query_outputs.csv"


class Source(StrEnum):
    """How well an output is known (the head of the table says more)."""

    SHEET = "sheet"
    VENUE = "venue"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Output:
    """One field of an answer. `width` is its characters."""

    width: int
    source: Source


@dataclass(frozen=True, slots=True)
class Listed:
    """The fields of one query: once an answer, and once a row of its repeated record."""

    single: Mapping[str, Output]
    rows: Mapping[str, Output]


@cache
def listed() -> Mapping[str, Listed]:
    """Return the outputs of every query that the simulator answers, by TR code."""
    found: dict[str, Listed] = {}
    with TABLE.open(encoding="utf-8", newline="") as lines:
        for line in DictReader(line for line in lines if not line.startswith("#")):
            one = found.setdefault(line["tr"], Listed({}, {}))
            fields = one.single if line["kind"] == "single" else one.rows
            assert isinstance(fields, dict)
            fields[line["field"]] = Output(int(line["width"]), Source(line["source"]))
    return found


class Outputs:
    """The outputs of one world: some that the sheet does not name are blank in it from beginning to end."""

    def __init__(self, unnamed_blank_rate: float, venue_fields: bool, seed: int) -> None:
        """`unnamed_blank_rate` is the share of the fields beyond the sheet that are blank."""
        rng = Random(f"{seed}/outputs")
        self._rows = {
            tr: _given(one.rows, unnamed_blank_rate, venue_fields, rng) for tr, one in listed().items()
        }
        self._single = {
            tr: _given(one.single, unnamed_blank_rate, venue_fields, rng) for tr, one in listed().items()
        }

    def single(self, trcode: str, values: Values) -> dict[str, str]:
        return _shaped(trcode, self._single[trcode], values)

    def row(self, trcode: str, values: Values) -> dict[str, str]:
        return _shaped(trcode, self._rows[trcode], values)


def _given(
    fields: Mapping[str, Output], blank_rate: float, venue_fields: bool, rng: Random
) -> Mapping[str, Output]:
    if not blank_rate and venue_fields:
        return fields
    given: dict[str, Output] = {}
    for name, one in fields.items():
        left_out = one.source is Source.CLIENT and rng.random() < blank_rate
        if not left_out and (venue_fields or one.source is not Source.VENUE):
            given[name] = one
    return given


def _shaped(trcode: str, fields: Mapping[str, Output], values: Values) -> dict[str, str]:
    """Return what is listed of the values, as text. Every other field reads blank."""
    zeros = trcode.startswith("OPW")
    return {
        name: value if isinstance(value, str) else f"{value:0{one.width}d}" if zeros else f" {value}"
        for name, one in fields.items()
        if (value := values.get(name, "")) != ""
    }
