"""What the notifier measures: alerts and their delivery, the journal, and the bus as a whole."""

from services.contracts.metric import (
    PART,
    SEVERITY,
    STREAM,
    Label,
    Unit,
    counter,
    gauge,
    histogram,
)

# -- alerts ------------------------------------------------------------------------------

ALERTS_HEARD = counter("arb_alerts_heard_total", "Alerts read, what is over left out.", SEVERITY)
ALERTS_OPEN = gauge("arb_open_alerts", Unit.COUNT, "Troubles that last.", SEVERITY)
UNACKNOWLEDGED = gauge("arb_unacknowledged_alerts", Unit.COUNT, "Critical alerts that nobody acknowledged.")
OUTBOX = gauge("arb_undelivered_alerts", Unit.COUNT, "Notices that nobody has taken yet.")
OUTBOX_AGE = gauge("arb_undelivered_age_seconds", Unit.SECONDS, "Age of the oldest of them; 0 for none.")
DELIVERIES = counter(
    "arb_alert_deliveries_total", "Attempts to deliver notices, by how they ended.",
    Label("outcome", ("delivered", "failed")),
)  # fmt: skip
DELIVERY_DELAY = histogram(
    "arb_alert_delivery_seconds", Unit.SECONDS, (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0),
    "From an alert's being raised to its delivery, by severity; repetitions left out.", SEVERITY,
)  # fmt: skip
ESCALATIONS = counter(
    "arb_alert_escalations_total", "Times a critical alert was told again because nobody acknowledged it."
)
DIGEST_LINES = gauge("arb_digest_lines", Unit.COUNT, "Alerts gathered for the next digest.")
DIGEST_JOBS = gauge(
    "arb_digest_jobs", Unit.COUNT, "Digests in the queue of side jobs.",
    Label("state", ("queued", "started", "scheduled", "failed")),
)  # fmt: skip

# -- the journal -------------------------------------------------------------------------

JOURNAL_LINES = counter("arb_journal_lines_total", "Entries journalled.", read=True)
JOURNAL_LAG = gauge(
    "arb_journal_lag_seconds", Unit.SECONDS, "How far the journal is behind; 0 where it is up to date."
)
JOURNAL_TROUBLES = gauge(
    "arb_journal_troubles", Unit.COUNT, "Things wrong with the journal or the length of a stream now."
)
DISK_FREE = gauge("arb_journal_disk_free_bytes", Unit.BYTES, "Room left where the journal lies.")

# -- the bus, seen from beside it --------------------------------------------------------

GATEWAY_RESTS = gauge(
    "arb_gateway_rests", Unit.FLAG,
    "Whether the gateway's supervisor lets it rest, and it need not run; absent while none is heard.",
)  # fmt: skip

STREAM_LENGTH = gauge("arb_stream_entries", Unit.COUNT, "Entries that a stream holds.", STREAM, PART)
STREAM_ADDED = counter(
    "arb_stream_added_total", "Entries that were ever added to a stream.", STREAM, PART, read=True
)
READER_LAG = gauge(
    "arb_reader_lag_entries", Unit.COUNT,
    "Entries that a reader has yet to handle; at most 1,000 are counted.",
    Label("reader"), STREAM, PART,
)  # fmt: skip
READER_LAG_TIME = gauge(
    "arb_reader_lag_seconds", Unit.SECONDS, "Age of the oldest of them; 0 for none.",
    Label("reader"), STREAM, PART,
)  # fmt: skip
REDIS_UP = gauge("arb_redis_up", Unit.FLAG, "Whether Redis answered when it was last asked.")
REDIS_PING = gauge("arb_redis_ping_seconds", Unit.SECONDS, "How long that answer took.")
REDIS_MEMORY = gauge("arb_redis_memory_bytes", Unit.BYTES, "Memory that Redis uses.")
REDIS_MEMORY_LIMIT = gauge(
    "arb_redis_memory_limit_bytes", Unit.BYTES, "The most it may use; 0 where nothing bounds it."
)
REDIS_CLIENTS = gauge("arb_redis_clients", Unit.COUNT, "Connections to Redis.")
REDIS_SAVES = gauge(
    "arb_redis_persistence_ok", Unit.FLAG, "Whether what Redis last wrote to its disk came to a good end."
)
