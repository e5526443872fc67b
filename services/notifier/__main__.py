"""`python -m services.notifier`: the journal of everything, and the alerts."""

from services.notifier.shell import NotifierShell
from services.runtime.process import run_service

if __name__ == "__main__":
    shell = NotifierShell()
    try:
        code = run_service(shell.build, shell.close)
    finally:
        shell.close()
    raise SystemExit(code)
