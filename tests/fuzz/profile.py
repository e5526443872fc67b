"""How hard these tests look: the same examples on every run by default, many and new ones on request.

`ARB_FUZZ=50` draws fifty times as many examples, freshly at each run.
"""

import os

from hypothesis import HealthCheck, settings

DEPTH = int(os.environ.get("ARB_FUZZ", "1"))


def examples(count: int) -> settings:
    """Settings for a test that draws `count` examples in an ordinary run."""
    return settings(
        max_examples=count * DEPTH,
        derandomize=DEPTH == 1,
        database=None,
        deadline=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ],
    )
