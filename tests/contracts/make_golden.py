"""Writes the golden example of each message type and version that has none yet.

`python -m tests.contracts.make_golden`. A file that exists is never written again: it stands for what
readers have in their streams and journals, and must stay readable. A change that breaks it is a new version.
"""

import json
import sys
from pathlib import Path
from typing import Final

from services.contracts.envelope import Envelope, Message
from tests.contracts.examples import EXAMPLES, NOW_NS, PAIR_ID

GOLDEN: Final = Path(__file__).parent / "golden"


def golden_path(kind: type[Message]) -> Path:
    return GOLDEN / f"{kind.__name__}.v{kind.VERSION}.json"


def golden_text(message: Message) -> str:
    envelope = Envelope.wrap(
        message, source="example", now_ns=NOW_NS, causation_id="example-cause", correlation_id=PAIR_ID,
        event_ns=NOW_NS - 1_000_000,
    )  # fmt: skip
    return json.dumps(json.loads(envelope.encode()), indent=2, ensure_ascii=False) + "\n"


def write_missing() -> list[str]:
    """Write what is missing and return the names of the new files."""
    GOLDEN.mkdir(exist_ok=True)
    missing = [item for item in EXAMPLES.values() if not golden_path(type(item)).exists()]
    for message in missing:
        golden_path(type(message)).write_text(golden_text(message), encoding="utf-8", newline="\n")
    return [golden_path(type(message)).name for message in missing]


if __name__ == "__main__":
    sys.stdout.write("\n".join(write_missing() or ["every message has its golden example"]) + "\n")
