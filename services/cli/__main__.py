"""`arb`, or `python -m services.cli`."""

from services.cli.app import app


def main() -> None:
    app(prog_name="arb")


if __name__ == "__main__":
    main()
