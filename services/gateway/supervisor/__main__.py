"""`python -m services.gateway.supervisor`: start the gateway and keep it alive."""

import sys

from services.gateway.supervisor.app import main

if __name__ == "__main__":
    sys.exit(main())
