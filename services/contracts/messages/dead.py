"""What could not be read or handled, kept with the reason, and its retry by the reader that gave it up."""

from pydantic import Field

from services.contracts.envelope import Message


class EntryBuried(Message):
    """The entry `entry_id` of `stream_key`, as text, and why `service` gave it up after `tries`.

    Of a longer entry `text` is the beginning, `whole_bytes` the length and `sha256` the hash (hex) of the
    whole one, which stands in its stream.
    """

    stream_key: str
    entry_id: str
    service: str
    reason: str
    tries: int
    text: str
    whole_bytes: int = 0
    sha256: str = ""


class EntryRetryRequested(Message):
    """A person asks `service`, and no other reader, to take in once more what it had given up.

    `text` is the whole entry.
    """

    stream_key: str
    entry_id: str
    service: str
    text: str
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class EntryRetried(Message):
    """The answer of that reader: taken in, or the `problem` with it."""

    stream_key: str
    entry_id: str
    service: str
    problem: str = ""
