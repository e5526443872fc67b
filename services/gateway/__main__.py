"""`python -m services.gateway`: the gateway on the broker's control."""

import sys

from services.gateway.app import main

if __name__ == "__main__":
    sys.exit(main())
