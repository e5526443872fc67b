"""What the words of one alert consist of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """`title` says what happened, `detail` the figures, `next_step` what to do, with an `arb` command.

    `over` and `after` are title and detail when it has ended; an empty `over` keeps the title.
    """

    title: str
    detail: str
    next_step: str
    over: str = ""
    after: str = ""
