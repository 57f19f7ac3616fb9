"""The waits between attempts to reach a server that does not answer."""

import random

FIRST = 0.1  # seconds before the first retry: most servers that vanish only restart
LONGEST = 5.0  # seconds: a client is back soon after its server


def delay(failures: int) -> float:
    """Returns the seconds to wait after that many failures in a row, counted from 0.

    Each wait is about twice the one before, and random within its upper half, so that many
    clients do not retry at the same moment.
    """
    longest = min(FIRST * 2 ** min(failures, 16), LONGEST)
    return random.uniform(longest / 2, longest)
