"""`arb`, or `python -m services.cli`."""

from services.cli.app import app
from services.runtime.private import keep_private


def main() -> None:
    keep_private()
    app(prog_name="arb")


if __name__ == "__main__":
    main()
