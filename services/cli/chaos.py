"""A drill: days under faults, one after another, until so many processes have been killed.

Each day has its own run folder, Redis and simulator. Folders of clean days are removed unless they
are wanted, the others kept.
"""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.cli.chaos_day import ChaosDay, DayOptions
from services.cli.chaos_report import ChaosDayReport, ChaosReport, report_of
from services.cli.date_checks import findings_in, provisional_in
from services.cli.faults import Fault, Interrupted
from services.cli.surroundings import schedule_for
from services.market.sessions import DaySchedule
from services.runtime.stop_signals import StopFlag, stopped_by_signals

MOST_FRUITLESS_DAYS: Final = 3
"""Days without one kill after which something is wrong with the drill itself."""


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """What a person may choose. `date` empty is the next trading day."""

    kills: int
    seed: int
    seconds_per_day: int
    config_dir: Path
    date: str = ""
    keep: bool = False
    """Keep the folders of clean days too."""


class Spectator:
    """Who is told how the drill goes. The base tells nobody."""

    def said(self, text: str) -> None:
        """A fault, or a step of the drill."""

    def killed(self, count: int) -> None:
        """So many more processes were killed."""

    def day_over(self, report: ChaosDayReport) -> None:
        """A day was judged."""


@dataclass
class Chaos:
    """One drill. `run` does it all and always leaves nothing running."""

    options: ChaosOptions
    spectator: Spectator
    days: list[ChaosDayReport] = field(default_factory=list)
    _stop: StopFlag = field(default_factory=StopFlag)

    def run(self) -> ChaosReport:
        """Return the report over all days, clean or not.

        Raises:
            Fault: a day could not begin, or a person stopped the drill.
        """
        schedule = schedule_for(self.options.date, self.options.config_dir)
        folder = Path(tempfile.mkdtemp(prefix="arb-chaos-"))
        self.spectator.said(f"run folders are in {folder}")
        try:
            self._run_days(folder, schedule)
        except Interrupted as stopped:
            if self._dropped(folder):
                raise
            raise Interrupted(f"{stopped.what}; run folders are kept in {folder}") from stopped
        kept = "" if self._dropped(folder) else str(folder)
        found = findings_in(self.options.config_dir, schedule.trading_date)
        return report_of(self.days, self.options.seed, kept, provisional_in(found))

    def _run_days(self, folder: Path, schedule: DaySchedule) -> None:
        with stopped_by_signals() as self._stop:
            while (left := self.options.kills - self._kills) > 0:
                number = len(self.days) + 1
                day_folder = folder / f"day-{number:03}"
                day = DayOptions(
                    number, self.options.seed, self.options.seconds_per_day, left,
                    self.options.config_dir, day_folder, schedule,
                )  # fmt: skip
                report = self._day(day)
                if not (report.verdict.violations or self.options.keep):
                    shutil.rmtree(day_folder, ignore_errors=True)
                self._refuse_fruitless(folder)

    def _dropped(self, folder: Path) -> bool:
        """Remove the run folders, where they are not asked for and no day broke anything; whether it did."""
        if self.options.keep or any(day.verdict.violations for day in self.days):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return True

    @property
    def _kills(self) -> int:
        return sum(_kills_of(day) for day in self.days)

    def _day(self, options: DayOptions) -> ChaosDayReport:
        day = ChaosDay(options, self.spectator.said, self.spectator.killed, self._stop.is_set)
        try:
            report = day.run()
        except Fault as fault:
            if self._stop.is_set():
                raise Interrupted(fault.what) from fault
            raise
        self.days.append(report)
        self.spectator.day_over(report)
        return report

    def _refuse_fruitless(self, folder: Path) -> None:
        last = self.days[-MOST_FRUITLESS_DAYS:]
        if len(last) == MOST_FRUITLESS_DAYS and not any(_kills_of(day) for day in last):
            raise Fault(
                f"{MOST_FRUITLESS_DAYS} days passed without a kill",
                f"Give the days more time with --seconds-per-day; what was left is in {folder}.",
            )


def _kills_of(day: ChaosDayReport) -> int:
    return sum(count for name, count in day.faults.items() if name.startswith("kill:"))
