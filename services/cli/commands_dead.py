"""Entries that a service gave up: `dead list`, `dead show`, and `dead retry` by the service that failed."""

from typing import Annotated
from uuid import uuid4

import typer
from rich.markup import escape

from services.cli.commands_trading import finish
from services.cli.commands_watch import WATCH_PANEL
from services.cli.faults import Fault, UsageFault
from services.cli.link import Link
from services.cli.options import (
    DEFAULT_RUN,
    DEFAULT_WAIT_S,
    ByOption,
    JsonOption,
    ReasonOption,
    RedisOption,
    RunOption,
    WaitOption,
    console,
    name_or_login,
    open_desk,
    print_json,
    reason_or_ask,
)
from services.cli.requests import Fate, ask
from services.contracts.envelope import Envelope, Unreadable, decode
from services.contracts.messages.control import AlertAcknowledged
from services.contracts.messages.dead import EntryBuried, EntryRetryRequested
from services.contracts.request_life import life_ms_of
from services.contracts.streams import DEAD, key_of
from services.market.dates import time_text
from services.runtime.burials import alert_id_of

dead_app = typer.Typer(no_args_is_help=True, help="Messages that could not be handled, with the reason.")


@dead_app.command("list")
def dead_list(redis: RedisOption = "", run: RunOption = DEFAULT_RUN, as_json: JsonOption = False) -> None:
    """List buried entries, newest last."""
    link = open_desk(redis, run)
    rows = buried_in(link)
    if not rows and not link.bus.said():
        raise Fault(f"no service has spoken over {link.address}: what was buried is not known",
                    "Name the desk's Redis with `--redis URL`.")  # fmt: skip
    if as_json:
        print_json(
            [{"id": number, "at_ns": at_ns, **message.model_dump()} for number, at_ns, message in rows]
        )
        return
    for number, at_ns, message in rows:
        console().print(
            f"{number}  {time_text(at_ns)}  {message.service}  {escape(message.stream_key)}: "
            f"{escape(message.reason)}",
            soft_wrap=True,
        )
    if not rows:
        console().print("Nothing was buried.")


@dead_app.command("show")
def dead_show(
    entry: Annotated[str, typer.Argument(help="The id that `arb dead list` shows first.")],
    redis: RedisOption = "", run: RunOption = DEFAULT_RUN, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Show one buried entry whole: where it was, why it was given up, its text."""
    rows = {number: (at_ns, message) for number, at_ns, message in buried_in(open_desk(redis, run))}
    if entry not in rows:
        raise UsageFault(f"no buried entry {entry}", "`arb dead list` shows those there are.")
    at_ns, message = rows[entry]
    if as_json:
        print_json({"id": entry, "at_ns": at_ns, **message.model_dump()})
        return
    for name, value in message.model_dump().items():
        console().print(f"[dim]{name:>11}[/]  {escape(str(value))}", soft_wrap=True)


@dead_app.command("retry")
def dead_retry(
    entry: Annotated[str, typer.Argument(help="The id that `arb dead list` shows first.")],
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    wait: WaitOption = DEFAULT_WAIT_S, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Let the service that gave an entry up take it in once more, when the cause is mended.

    No other reader sees it again. A person's request is not retried: ask again instead.
    """
    reason, by = reason_or_ask(reason), name_or_login(by)
    link = open_desk(redis, run)
    rows = {number: message for number, _, message in buried_in(link)}
    if entry not in rows:
        raise UsageFault(f"no buried entry {entry}", "`arb dead list` shows those there are.")
    buried = rows[entry]
    alert_id = alert_id_of(buried.service, buried.stream_key)
    try:
        envelope = whole_of(link, buried)
    except Unreadable as error:
        mend = "Start the build that reads it; where none ever did, it stays buried: "
        raise Fault(f"{entry} still cannot be read: {error}", f"{mend}`arb ack {alert_id}`.") from error
    if life_ms_of(envelope.type):
        raise Fault(f"{entry} is a {envelope.type}, which has expired", "Ask again instead.")
    request = EntryRetryRequested(
        stream_key=buried.stream_key, entry_id=buried.entry_id, service=buried.service,
        text=envelope.encode(), by=by, reason=reason,
    )  # fmt: skip
    outcome = ask(link, request, wait)
    beside = [m for m in rows.values() if alert_id_of(m.service, m.stream_key) == alert_id]
    if outcome.fate is Fate.DONE and len(beside) == 1:
        link.append(AlertAcknowledged(alert_id=alert_id, by=by, reason=reason), cause=f"cli-{uuid4()}")
    finish(outcome, as_json)


def buried_in(link: Link) -> list[tuple[str, int, EntryBuried]]:
    """Return buried entries as (id of the burial, when in ns, what), oldest first."""
    return [
        (item.entry_id, item.envelope.ts_init_ns, item.message)
        for item in link.follow([key_of(DEAD)]).drain()
        if isinstance(item.message, EntryBuried)
    ]


def whole_of(link: Link, buried: EntryBuried) -> Envelope:
    """Return the message of a buried entry; of a long one as it stands in its stream.

    Raises:
        Unreadable: this build cannot read it either, or its stream does not hold it any more.
    """
    if not buried.whole_bytes:
        return decode(buried.text)
    found = link.bus.entry(buried.stream_key, buried.entry_id)
    if found is None:
        raise Unreadable(f"{buried.stream_key} does not hold it any more, and only its beginning was kept")
    return found.decoded()


def add_to(app: typer.Typer) -> None:
    app.add_typer(dead_app, name="dead", rich_help_panel=WATCH_PANEL)
