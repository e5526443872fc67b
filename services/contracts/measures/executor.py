"""What the executor measures: pairs, clips, residuals, and how long something stood uncovered."""

from services.contracts.messages.pairs import PairOutcome, StrandReason
from services.contracts.metric import LIFETIME_S, Label, Unit, counter, gauge, histogram

PAIRS = gauge("arb_pairs", Unit.COUNT, "Pairs by what they are doing.", Label("phase"))
OLDEST_PAIR = gauge(
    "arb_oldest_pair_age_seconds", Unit.SECONDS, "Age of the oldest pair that is not stranded; 0 for none."
)
UNCOVERED_KRW = gauge("arb_uncovered_krw", Unit.KRW, "Value bought and not yet sold, at cost.")
UNCOVERED_SHARES = gauge("arb_uncovered_shares", Unit.SHARES, "Shares bought and not yet sold.")
UNCOVERED_AGE = gauge(
    "arb_uncovered_age_seconds", Unit.SECONDS,
    "How long the pair that is uncovered the longest has been so, stranded ones left out; 0 for none.",
)  # fmt: skip
UNCOVERED_TOTAL = counter(
    "arb_uncovered_krw_seconds_total", "Won uncovered times how long, of closed pairs.",
    unit=Unit.KRW_SECONDS,
)  # fmt: skip
TIME_TO_NEUTRAL = histogram(
    "arb_time_to_neutral_seconds", Unit.SECONDS, LIFETIME_S,
    "The longest time of each pair from a first fill to flat again.",
)  # fmt: skip
PAIR_DURATION = histogram(
    "arb_pair_duration_seconds", Unit.SECONDS, LIFETIME_S, "From a pair's approval to its close."
)
PAIRS_CLOSED = counter(
    "arb_pairs_closed_total",
    "Pairs closed, each once, by their end.",
    Label("outcome", tuple(PairOutcome)),
)
CLIPS = counter("arb_clips_total", "Clips that bought at least one share.")
CLIPS_RECOMPUTED = counter(
    "arb_clips_recomputed_total", "Looks at fresh quotes before a clip: went on, or stopped.",
    Label("proceed", ("yes", "no")),
)  # fmt: skip
RESIDUALS = counter("arb_residuals_opened_total", "Times shares were bought and not sold in time.")
RESIDUAL_SHARES = counter("arb_residual_shares_total", "Shares of those residuals.", unit=Unit.SHARES)
STRANDED = gauge("arb_stranded_pairs", Unit.COUNT, "Stranded positions: a person is needed.")
STRANDED_KRW = gauge("arb_stranded_krw", Unit.KRW, "What stranded positions were bought for.")
STRANDINGS = counter(
    "arb_residuals_stranded_total", "Residuals that became stranded positions, by why.",
    Label("reason", tuple(StrandReason)),
)  # fmt: skip
DOUBTFUL = gauge(
    "arb_doubtful_orders", Unit.COUNT, "Orders of open pairs of which the executor knows no certain state."
)
