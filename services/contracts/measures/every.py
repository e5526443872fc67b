"""What every service measures of itself: loop, clock, bus, process."""

from services.contracts.messages.alerts import AlertKind
from services.contracts.messages.market_data import BookTrouble
from services.contracts.metric import (
    COMMIT_S,
    HOP,
    LATENCY_S,
    SEVERITY,
    STREAM,
    VENUE,
    Label,
    Unit,
    counter,
    gauge,
    histogram,
)

# -- who runs ----------------------------------------------------------------------------

BUILD = gauge(
    "arb_build_info", Unit.INFO, "Which code this process runs; two values among services are mixed builds.",
    Label("build_id"),
)  # fmt: skip
REFERENCE = gauge(
    "arb_reference_info", Unit.INFO,
    "Hash of the symbol map, costs and limits that this service computes with.", Label("reference_hash"),
)  # fmt: skip
START_TIME = gauge(
    "arb_start_time_seconds", Unit.SECONDS, "When the process began, Unix time; a change is a restart."
)
UPTIME = gauge("arb_uptime_seconds", Unit.SECONDS, "How long the process has run.")
EPOCH = gauge(
    "arb_epoch", Unit.COUNT, "The fencing number taken at the last start or recovery; it grows by each."
)
HEARTBEAT_TIME = gauge(
    "arb_heartbeat_time_seconds", Unit.SECONDS,
    "When the service last committed a heartbeat, Redis time as Unix seconds; 0 before the first.",
)  # fmt: skip

# -- the loop ----------------------------------------------------------------------------

HANDLED = counter(
    "arb_messages_handled_total", "Messages whose step was committed, by stream.", STREAM, from_start=False
)
WRITTEN = counter("arb_messages_written_total", "Messages written, by stream.", STREAM, from_start=False)
COMMIT = histogram("arb_commit_seconds", Unit.SECONDS, COMMIT_S, "Time of one commit in Redis.")
TURN = histogram(
    "arb_turn_seconds", Unit.SECONDS, COMMIT_S,
    "Work of one round of the loop: decisions and commit, without waiting for entries.",
)  # fmt: skip
CORE_FAILURES = counter("arb_core_failures_total", "Times a core raised instead of deciding.")
READINGS_FAILED = counter(
    "arb_readings_failed_total", "Scrapes and steps whose figures could not be computed."
)
DEAD_LETTERS = counter(
    "arb_dead_letters_total", "Entries given up and put into the dead stream, by the stream they came from.",
    STREAM, from_start=False,
)  # fmt: skip
ALERTS_RAISED = counter(
    "arb_alerts_raised_total", "Alerts this service raised; that something is over is not counted.",
    Label("kind", tuple(AlertKind)), SEVERITY, Label("code"), from_start=False,
)  # fmt: skip

# -- the bus and the clock ---------------------------------------------------------------

BUS_ERRORS = counter("arb_bus_errors_total", "Times Redis did not answer or refused.")
LEFT_OUT = counter(
    "arb_outputs_left_out_total", "Messages that Redis did not take and the step went without, by stream.",
    STREAM, from_start=False, left_out="the critical alert `output_left_out` names each stream",
)  # fmt: skip
BUS_DOWN = gauge(
    "arb_bus_down_seconds", Unit.SECONDS,
    "How long Redis has taken nothing of what this service wanted to write; 0 where it does.",
)  # fmt: skip
CLOCK_OFFSET = gauge(
    "arb_clock_offset_seconds", Unit.SECONDS,
    "How far this service's clock is from its best measurement of Redis time, signed.",
)  # fmt: skip
CLOCK_ERROR = gauge(
    "arb_clock_error_seconds", Unit.SECONDS, "How vague that measurement is: half its round trip."
)
CLOCK_TRUSTED = gauge("arb_clock_trusted", Unit.FLAG, "Whether ages may be compared by this service's clock.")
CLOCK_JUMPS = counter(
    "arb_clock_jumps_total", "Times the offset to Redis time jumped: somebody set a clock.", read=True
)

# -- the process -------------------------------------------------------------------------

PROCESS_CPU = counter(
    "arb_process_cpu_seconds_total", "CPU time used, user and system.", unit=Unit.SECONDS, read=True
)
PROCESS_MEMORY = gauge("arb_process_memory_bytes", Unit.BYTES, "Memory resident.")
PROCESS_THREADS = gauge("arb_process_threads", Unit.COUNT, "Threads of the process.")
PROCESS_FILES = gauge("arb_process_open_files", Unit.COUNT, "File descriptors open; on Windows, handles.")

# -- what several services measure, each its part ----------------------------------------

TICKS_SKIPPED = counter(
    "arb_ticks_skipped_total", "Book updates that this late reader passed over for newer ones."
)
BOOKS_REFUSED = counter(
    "arb_books_refused_total", "Frames that this reader took for no book, by what is wrong with them.",
    VENUE, Label("trouble", tuple(BookTrouble)),
)  # fmt: skip
QUOTE_DELAY = histogram(
    "arb_quote_delay_seconds", Unit.SECONDS, LATENCY_S,
    "From the gateway's stamp on a book to its handling in this service.",
)  # fmt: skip
ORDER_PATH = histogram(
    "arb_order_path_seconds", Unit.SECONDS, LATENCY_S,
    "Each stretch of the way from a quote to the broker's answer, by the service that ends it. publish: "
    "book frame to Redis; intent: newer quote to intent; verdict: intent to approval; command: approval to "
    "the first buy; send: command to SendOrder; acknowledge: SendOrder to the broker's number.",
    HOP, from_start=False,
)  # fmt: skip
