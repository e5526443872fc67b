"""`arb`, or `python -m services.cli`."""

import sys

EXIT_INTERRUPTED = 130


def main() -> None:
    """Run one command. Ctrl-C while it is being loaded ends it like any other: nothing was asked yet."""
    try:
        from services.cli.app import app
        from services.runtime.private import keep_private
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    keep_private()
    app(prog_name="arb")


if __name__ == "__main__":
    main()
