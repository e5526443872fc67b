"""What the loop itself has seen and tells its core. These messages travel on no stream."""

from services.contracts.envelope import Message


class KeysVanished(Message):
    """Redis knew nothing of this service any more.

    The state goes on from memory; entries that others had written and nobody had read are lost.
    """

    detail: str
