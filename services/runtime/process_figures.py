"""What the operating system says of this process, the same on Linux and Windows."""

import os
import time
from collections.abc import Callable, Iterable

import psutil

from services.contracts.measures import every
from services.contracts.metric import Reading


def process_figures(build_id: str) -> Callable[[], Iterable[Reading]]:
    """Return what reads the figures of this process at each scrape."""
    process = psutil.Process()
    began_s = process.create_time()

    def read() -> Iterable[Reading]:
        with process.oneshot():
            cpu = process.cpu_times()
            files = process.num_handles() if os.name == "nt" else process.num_fds()
            return (
                every.BUILD.at(1, build_id),
                every.START_TIME.at(began_s),
                every.UPTIME.at(max(0.0, time.time() - began_s)),
                every.PROCESS_CPU.at(cpu.user + cpu.system),
                every.PROCESS_MEMORY.at(process.memory_info().rss),
                every.PROCESS_THREADS.at(process.num_threads()),
                every.PROCESS_FILES.at(files),
            )

    return read
