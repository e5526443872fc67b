"""`python -m services.simulator`: the simulated exchanges and broker as a process of their own."""

import sys

from services.simulator.settings import main

if __name__ == "__main__":
    sys.exit(main())
