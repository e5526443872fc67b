"""What a process of a virtual day says when its core fails: nothing in a day may make one fail."""

from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Message
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.dead import EntryBuried

_CODES = (AlertCode.TICK_FAILING, AlertCode.GATEWAY_FAILED)


def is_failure(message: Message) -> bool:
    """Whether an entry was given up, or a core failed outside any."""
    if isinstance(message, AlertRaised):
        return message.code in _CODES and not message.resolved
    return isinstance(message, EntryBuried)
