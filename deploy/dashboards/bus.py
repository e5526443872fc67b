"""Bus and services: who runs, whether Redis takes what is written, who is behind, what was lost."""

from grafana_foundation_sdk.models import dashboard

from deploy.dashboards import addresses, glance, panels, recorded
from deploy.dashboards.board import GROUP, INSTANCE, SERVICE, Section, board
from deploy.dashboards.panels import BLUE, GREEN, GREY, ORANGE, RED, YELLOW, Column
from deploy.dashboards.promql import increase, least, most, of, or_other, or_zero, quantile, rate, total
from services.contracts.measures import every, notifier
from services.contracts.metric import Metric

CHOSEN = {"service": "$service", "instance": "$instance", "group": "$group"}
WHO = ("instance",)
LEGEND = "{{instance}}"


def running(metric: Metric, word: str, label: str) -> str:
    """Return how many processes run with each value of a label, as rows `word value` of `process`."""
    return (
        f'count by (process) (label_replace({of(metric)}, "process", "{word} $1", "{label}", "(.{{0,8}}).*"))'
    )


def made() -> dashboard.Dashboard:
    return board(
        addresses.BUS,
        "Bus and services",
        "Who runs, whether Redis takes what is written, who is behind, and what could not be read or told.",
        (SERVICE, INSTANCE, GROUP),
        (
            _at_a_glance(),
            _services(),
            _builds(),
            _work(),
            _redis(),
            _streams(),
            _clocks(),
            _journal(),
            _alerts(),
        ),
    )


def _at_a_glance() -> Section:
    redis = panels.word_panel(
        "Redis",
        "Whether Redis answered the notifier when it was last asked.",
        or_zero(f"min({of(notifier.REDIS_UP)}) + 1"),
        {0: ("SILENT", RED), 1: ("DOWN", RED), 2: ("UP", GREEN)},
    )
    builds = panels.stat_panel(
        "Builds",
        "More than one is a half-finished deployment: services of different builds refuse to arm.",
        f"count(count by (build_id) ({of(every.BUILD)}))",
        panels.COUNT,
        ((None, GREEN), (2, RED)),
    )
    behind = panels.stat_panel(
        "Furthest behind",
        "Age of the oldest entry that some reader has yet to handle.",
        or_zero(f"max({recorded.READER_LAG})"),
        panels.SECONDS,
        ((None, GREEN), (1, YELLOW), (5, RED)),
    )
    dead = panels.stat_panel(
        "Dead letters",
        "Entries given up since the services started: `arb dead list`.",
        or_zero(total(of(every.DEAD_LETTERS))),
        panels.COUNT,
        glance.NONE_OR_RED,
    )
    clocks = panels.word_panel(
        "Clocks",
        "Whether every service may compare ages by its clock.",
        or_zero(f"{least(of(every.CLOCK_TRUSTED))} + 1"),
        {0: ("SILENT", RED), 1: ("NOT TRUSTED", RED), 2: ("TRUSTED", GREEN)},
    )
    journal = panels.stat_panel(
        "Journal behind",
        "Beyond 15 s entries wait.",
        or_zero(most(of(notifier.JOURNAL_LAG))),
        panels.SECONDS,
        ((None, GREEN), (5, YELLOW), (15, RED)),
    )
    first = (glance.services(), redis, builds, behind, dead, clocks, journal, glance.unacknowledged())
    return Section("At a glance", 4, [(3, panel) for panel in first])


def _services() -> Section:
    def value(expression: str) -> str:
        return most(expression, WHO)

    services = panels.table_panel(
        "Processes",
        "One row for each. Click a name to see only that one.",
        "instance",
        (
            Column(
                "Answers", value('up{job="arb"}'), panels.COUNT, words={0: ("DOWN", RED), 1: ("up", GREEN)}
            ),
            Column("Up for", value(of(every.UPTIME)), panels.SECONDS, steps=((None, ORANGE), (300, GREY))),
            Column(
                "Restarts",
                value(f"changes({of(every.START_TIME)}[$__range])"),
                panels.COUNT,
                steps=((None, GREY), (1, ORANGE)),
            ),
            Column("Epoch", value(of(every.EPOCH)), panels.COUNT),
            Column(
                "Memory", value(of(every.PROCESS_MEMORY)), panels.GRAFANA_UNITS[every.PROCESS_MEMORY.unit]
            ),
            Column(
                "CPU",
                value(f"rate({of(every.PROCESS_CPU)}[$__rate_interval])"),
                panels.PERCENT,
                decimals=0,
                steps=((None, GREY), (0.7, YELLOW), (0.9, RED)),
            ),
            Column("Threads", value(of(every.PROCESS_THREADS)), panels.COUNT),
            Column("Files", value(of(every.PROCESS_FILES)), panels.COUNT),
            Column(
                "Unread figures",
                value(of(every.READINGS_FAILED)),
                panels.COUNT,
                steps=((None, GREY), (1, RED)),
            ),
        ),
        links={"Only this process": addresses.to(addresses.BUS, instance=addresses.field("instance"))},
        sort_by="instance",
        descending=False,
    )
    return Section("Services", 10, [(24, services)])


def _builds() -> Section:
    code = panels.table_panel(
        "What runs where",
        "The build and the reference data that each service computes with.",
        "process",
        (
            Column("Services of this build", running(every.BUILD, "build", "build_id"), panels.COUNT),
            Column(
                "Services with this reference data",
                running(every.REFERENCE, "reference", "reference_hash"),
                panels.COUNT,
            ),
        ),
        links={},
        sort_by="process",
        descending=False,
    )
    beats = panels.line_panel(
        "Heartbeats committed",
        "In 30 s: about 30 is right, one a second. None: the loop stands still.",
        {LEGEND: most(f"changes({of(every.HEARTBEAT_TIME, **CHOSEN)}[30s])", WHO)},
        panels.COUNT,
    )
    return Section("What runs, and beats", 8, [(12, code), (12, beats)])


def _work() -> Section:
    handled = panels.line_panel(
        "Messages handled",
        "A second, by service.",
        {LEGEND: rate(every.HANDLED, WHO, **CHOSEN)},
        panels.PER_SECOND,
    )
    streams = panels.line_panel(
        "Messages written, by stream",
        "Entries a second, over all services chosen.",
        {"{{stream}}": rate(every.WRITTEN, ("stream",), **CHOSEN)},
        panels.PER_SECOND,
        stacked=True,
    )
    commit = panels.line_panel(
        "Commits, 99 %",
        "One transaction in Redis: state, positions and outputs of a step.",
        {LEGEND: f'{recorded.COMMIT_P99}{{service=~"$service", instance=~"$instance"}}'},
        panels.SECONDS,
    )
    turn = panels.line_panel(
        "Rounds of the loop, 99 %",
        "Decisions and commit, without waiting.",
        {LEGEND: quantile(0.99, every.TURN, WHO, "5m", **CHOSEN)},
        panels.SECONDS,
    )
    skipped = panels.line_panel(
        "Quotes passed over",
        "A second, for newer ones: by late readers, and books never looked at.",
        {
            LEGEND: rate(every.TICKS_SKIPPED, WHO, **CHOSEN),
        },
        panels.PER_SECOND,
    )
    failures = panels.line_panel(
        "Failures",
        "In five minutes: steps a core could not take, entries given up, refusals of Redis.",
        {
            "core " + LEGEND: increase(every.CORE_FAILURES, WHO, "5m", **CHOSEN),
            "Redis " + LEGEND: increase(every.BUS_ERRORS, WHO, "5m", **CHOSEN),
            "given up from {{stream}}": or_other(
                increase(every.DEAD_LETTERS, ("stream",), "5m"), "stream", "none"
            ),
        },
        panels.COUNT,
    )
    return Section(
        "Work", 8, [(8, handled), (8, streams), (8, commit), (8, turn), (8, skipped), (8, failures)]
    )


def _redis() -> Section:
    ping = panels.line_panel(
        "Answer",
        "How long Redis took to answer the notifier.",
        {"ping": of(notifier.REDIS_PING)},
        panels.SECONDS,
    )
    memory = panels.line_panel(
        "Memory",
        "Full, Redis refuses writes and trading stops. No limit shows as zero.",
        {"used": of(notifier.REDIS_MEMORY), "limit": of(notifier.REDIS_MEMORY_LIMIT)},
        panels.GRAFANA_UNITS[notifier.REDIS_MEMORY.unit],
    )
    down = panels.line_panel(
        "Not taken",
        "How long Redis has taken nothing of what a service wanted to write.",
        {LEGEND: most(of(every.BUS_DOWN, **CHOSEN), WHO)},
        panels.SECONDS,
    )
    clients = panels.stat_panel(
        "Connections",
        "Connections to Redis: services, gateway, watchers.",
        of(notifier.REDIS_CLIENTS),
        panels.COUNT,
        ((None, BLUE),),
    )
    saves = panels.word_panel(
        "On disk",
        "Whether what Redis last wrote to its disk came to a good end.",
        or_zero(f"min({of(notifier.REDIS_SAVES)}) + 1"),
        {0: ("SILENT", RED), 1: ("FAILED", RED), 2: ("WRITTEN", GREEN)},
    )
    return Section("Redis", 7, [(6, ping), (6, memory), (6, down), (3, clients), (3, saves)])


def _streams() -> Section:
    lag = panels.line_panel(
        "Readers behind, in seconds",
        "Age of the oldest entry a reader has yet to handle.",
        {"{{reader}} of {{stream}} {{part}}": f"{of(notifier.READER_LAG_TIME)} > 0 or {recorded.READER_LAG}"},
        panels.SECONDS,
    )
    entries = panels.line_panel(
        "Readers behind, in entries",
        "The count ends at 1,000.",
        {"{{reader}} of {{stream}} {{part}}": of(notifier.READER_LAG)},
        panels.COUNT,
    )
    length = panels.line_panel(
        "Length of the streams",
        "Bounded by the slowest reader; 50,000 of a stream that may lose nothing is an alarm.",
        {"{{stream}} {{part}}": of(notifier.STREAM_LENGTH)},
        panels.COUNT,
    )
    added = panels.line_panel(
        "Added to the streams",
        "Entries a second.",
        {"{{stream}} {{part}}": rate(notifier.STREAM_ADDED, ("stream", "part"))},
        panels.PER_SECOND,
    )
    return Section("Streams", 9, [(12, lag), (12, entries), (12, length), (12, added)])


def _clocks() -> Section:
    offset = panels.line_panel(
        "Clock offset",
        "How far each service's clock is from its measurement of Redis time.",
        {LEGEND: most(of(every.CLOCK_OFFSET, **CHOSEN), WHO)},
        panels.SECONDS,
        zero=False,
    )
    error = panels.line_panel(
        "How vague the measurement is",
        "Half its round trip.",
        {LEGEND: most(of(every.CLOCK_ERROR, **CHOSEN), WHO)},
        panels.SECONDS,
    )
    jumps = panels.line_panel(
        "Jumps",
        "Times somebody set a clock, so far.",
        {LEGEND: total(of(every.CLOCK_JUMPS, **CHOSEN), WHO)},
        panels.COUNT,
    )
    return Section("Clocks", 7, [(8, offset), (8, error), (8, jumps)])


def _journal() -> Section:
    lines = panels.line_panel(
        "Journalled", "Entries a second.", {"entries": rate(notifier.JOURNAL_LINES)}, panels.PER_SECOND
    )
    lag = panels.line_panel(
        "Journal behind", "Beyond 15 s entries wait.", {"behind": of(notifier.JOURNAL_LAG)}, panels.SECONDS
    )
    troubles = panels.stat_panel(
        "Troubles",
        "Things wrong with the journal or the length of a stream now.",
        or_zero(total(of(notifier.JOURNAL_TROUBLES))),
        panels.COUNT,
        glance.NONE_OR_RED,
    )
    disk = panels.stat_panel(
        "Disk",
        "Room left where the journal lies.",
        of(notifier.DISK_FREE),
        panels.GRAFANA_UNITS[notifier.DISK_FREE.unit],
        ((None, RED), (2e9, YELLOW), (10e9, GREEN)),
    )
    return Section("Journal", 7, [(8, lines), (8, lag), (4, troubles), (4, disk)])


def _alerts() -> Section:
    raised = panels.bar_panel(
        "Alerts raised, by kind",
        "Since the services started.",
        or_other(total(of(every.ALERTS_RAISED, **CHOSEN), ("kind", "severity")), "kind", "others"),
        panels.COUNT,
        legend="{{kind}} {{severity}}",
    )
    heard = panels.line_panel(
        "Alerts",
        "Read by the notifier, those that last, and those gathered for the next digest.",
        {
            "read, {{severity}}": total(of(notifier.ALERTS_HEARD), ("severity",)),
            "lasting, {{severity}}": total(of(notifier.ALERTS_OPEN), ("severity",)),
            "for the digest": of(notifier.DIGEST_LINES),
        },
        panels.COUNT,
    )
    outbox = panels.line_panel(
        "Not delivered",
        "Notices that nobody has taken yet, and the age of the oldest.",
        {"notices": of(notifier.OUTBOX), "oldest, in seconds": of(notifier.OUTBOX_AGE)},
        panels.COUNT,
    )
    delivered = panels.line_panel(
        "Deliveries",
        "Attempts in five minutes, by how they ended; and repetitions because nobody acknowledged.",
        {
            "{{outcome}}": increase(notifier.DELIVERIES, ("outcome",), "5m"),
            "told again": increase(notifier.ESCALATIONS, (), "5m"),
        },
        panels.COUNT,
    )
    delay = panels.line_panel(
        "From alert to delivery, 95 %",
        "Critical ones must be there within five seconds.",
        {"{{severity}}": quantile(0.95, notifier.DELIVERY_DELAY, ("severity",), "5m")},
        panels.SECONDS,
        steps=((None, GREEN), (5, RED)),
    )
    jobs = panels.line_panel(
        "Digests in the queue",
        "Queued for long: no worker runs. Failed: look at the worker's log.",
        {"{{state}}": total(of(notifier.DIGEST_JOBS), ("state",))},
        panels.COUNT,
    )
    return Section("Alerts", 8, [(8, raised), (8, heard), (8, outbox), (8, delivered), (8, delay), (8, jobs)])
