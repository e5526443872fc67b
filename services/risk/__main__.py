"""`python -m services.risk`: the verdicts, the trading state, the lease."""

from services.risk.shell import build
from services.runtime.process import run_service

raise SystemExit(run_service(build))
