"""What could not be read or handled, kept with the reason."""

from services.contracts.envelope import Message


class EntryBuried(Message):
    """The entry `entry_id` of `stream_key`, as text, and why `service` gave it up after `tries`."""

    stream_key: str
    entry_id: str
    service: str
    reason: str
    tries: int
    text: str
