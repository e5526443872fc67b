"""The file that says which processes of a stack run on this machine: `stack.json` in the run folder."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from services.cli.faults import UsageFault

STACK_FILE = "stack.json"


class ProcessRecord(BaseModel):
    """One process: who it is, where it writes, and what tells it from a later owner of its pid."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    pid: int
    born: str
    """Start time as the kernel counts it; empty where the kernel does not say."""


class StackRecord(BaseModel):
    """What `arb up` and `arb demo` leave behind for the other commands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    redis_url: str
    processes: tuple[ProcessRecord, ...]


def read_stack_file(folder: Path) -> StackRecord | None:
    """Return what runs in a run folder, None where nothing was started.

    Raises:
        UsageFault: the file is there and is not ours.
    """
    path = folder / STACK_FILE
    if not path.is_file():
        return None
    try:
        return StackRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise UsageFault(f"{path} cannot be read as a stack's record: {error}",
                         "Stop its processes by hand, then delete the file.") from error  # fmt: skip


def write_stack_file(folder: Path, record: StackRecord) -> None:
    """Replace the record in one step, readable by its owner alone (an address can hold a password)."""
    path = folder / STACK_FILE
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)


def remove_stack_file(folder: Path) -> None:
    (folder / STACK_FILE).unlink(missing_ok=True)
