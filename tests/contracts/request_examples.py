"""One realistic message of each type that follows a person's request."""

from services.contracts.messages import control, dead
from services.contracts.terms import Symbol

REQUEST_ID = "5e1f0c77ab12cd34ef56"

ANSWERED = (
    control.RequestWithdrawn(request="FlattenRequested", request_id=REQUEST_ID, by="desk"),
    control.WithdrawalTaken(request="FlattenRequested", request_id=REQUEST_ID, by="desk", decided=False),
    control.SymbolResumed(symbol=Symbol("000660"), by="desk", reason="the example of a reason"),
    control.LimitChangeRefused(name="clip_shares", value="200", by="desk", problem="at most 50"),
    control.ArmRefused(by="desk", problems=("The gateway is not connected.",)),
    control.ArmingCheckRequested(by="desk"),
    control.ArmingChecked(by="desk", problems=("The gateway is not connected.",)),
    dead.EntryRetryRequested(
        stream_key="a stream", entry_id="1795397412345-0", service="risk", text='{"type":"Nonsense"}',
        by="desk", reason="the example of a reason",
    ),
    dead.EntryRetried(stream_key="a stream", entry_id="1795397412345-0", service="risk", problem="it failed"),
    control.StateMovedAside(
        service="risk", key="{arb}:aside:risk:1795397412345", by="desk", reason="the example of a reason"
    ),
    control.FlattenStarted(
        symbol=Symbol("005930"), by="desk", reason="the example of a reason", asked_ns=1795397412345 * 10**6,
        pair_ids=("P0123456789ab",),
    ),
)  # fmt: skip
