"""Look for each planted breach on days of seeds 1 to 300, and keep the table of who notices what.

    make breaches                     every breach; slow
    make breaches ARGS="NAME NAME"    only these; the rest of the table stays

A breach is looked for until three days have reported it, so that most take few days. Exit code 1 where one is
noticed on fewer.
"""

import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from services.runtime.logs import configure_logs
from tests.breaches.catalogue import BREACHES, Planted
from tests.breaches.judged import reported

FILE = Path(__file__).with_name("noticed.toml")
SEEDS = range(1, 301)
ENOUGH = 3
HEAD = """# Which days report each planted breach: the first three seeds from 1 on, and of how many.
# Written by `make breaches`.
"""


def reports(breach: Planted) -> Iterator[tuple[int, str]]:
    """Yield (seed, first sentence) of the days that report a breach."""
    for seed in SEEDS:
        with pytest.MonkeyPatch.context() as patch:
            breach.plant(patch)
            if sentence := reported(seed, breach.faults, breach.code, breach.words):
                yield seed, sentence


def noticed(breach: Planted) -> tuple[list[int], str]:
    """Return the first seeds that report a breach, and the sentence of the first."""
    seeds, first = [], ""
    for seed, sentence in reports(breach):
        seeds.append(seed)
        first = first or sentence
        if len(seeds) == ENOUGH:
            break
    return seeds, first


def text_of(table: dict[str, dict[str, object]]) -> str:
    rows = (
        f'\n[{name}]\ninvariant = "{row["invariant"]}"\nseeds = {row["seeds"]}\nof_days = {row["of_days"]}\n'
        for name, row in table.items()
    )
    return HEAD + "".join(rows)


def main(names: Sequence[str]) -> int:
    configure_logs("ERROR")
    known = tomllib.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    table, few = {}, []
    for breach in BREACHES:
        if names and breach.name not in names and breach.name in known:
            table[breach.name] = known[breach.name]
            continue
        seeds, sentence = noticed(breach)
        of_days = seeds[-1] if len(seeds) == ENOUGH else len(SEEDS)
        table[breach.name] = {"invariant": breach.code, "seeds": seeds, "of_days": of_days}
        few += [breach.name] if len(seeds) < ENOUGH else []
        print(f"{breach.name}: noticed on {len(seeds)} of {of_days} days: {sentence}", flush=True)
    FILE.write_text(text_of(table), encoding="utf-8")
    if few:
        print(f"noticed on fewer than {ENOUGH} days: {', '.join(few)}")
    return 1 if few else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
