"""What could not be read or handled, kept with the reason."""

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
