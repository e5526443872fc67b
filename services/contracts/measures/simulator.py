"""What the simulated exchanges and broker hold: the truth that the services' figures are held against."""

from services.contracts.metric import Label, Unit, gauge

_OF_THE_SIMULATION = "holds in a simulation only; the day's report compares it"

CASH = gauge(
    "arb_simulator_cash_krw", Unit.KRW, "Cash of the simulated account.", left_out=_OF_THE_SIMULATION
)
HELD = gauge(
    "arb_simulator_held_shares", Unit.SHARES, "Shares that the simulated account holds.",
    left_out=_OF_THE_SIMULATION,
)  # fmt: skip
IN_A_SECOND = gauge(
    "arb_simulator_calls_per_second_max", Unit.COUNT, "The most calls that any sliding second has seen.",
    Label("call", ("order", "query")), left_out=_OF_THE_SIMULATION,
)  # fmt: skip
REFUSED = gauge(
    "arb_simulator_refused_calls", Unit.COUNT, "Calls refused because they were too many.",
    Label("call", ("order", "query")), left_out=_OF_THE_SIMULATION,
)  # fmt: skip
CONNECTED = gauge(
    "arb_simulator_logged_in", Unit.FLAG, "Whether a control is logged in.", left_out=_OF_THE_SIMULATION
)
