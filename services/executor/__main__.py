"""Run the executor: `python -m services.executor`."""

from services.executor.shell import build
from services.runtime.process import run_service

if __name__ == "__main__":
    raise SystemExit(run_service(build))
