"""When each request should start. Fixed before the test, whatever the server does: that is what open-loop means."""

import math
import random
from typing import Literal


def arrivals(kind: Literal["poisson", "constant"], rate: float, seconds: float, seed: int) -> list[float]:
    """Starts in seconds from the beginning, ascending, all below ``seconds``; the first request starts at 0.

    ``poisson``: gaps are exponential with mean ``1 / rate``, as independent users make them. ``constant``: all gaps
    are ``1 / rate``. The same arguments give the same starts.
    """
    if kind == "constant":
        return [n / rate for n in range(math.ceil(rate * seconds)) if n / rate < seconds]
    source, at, starts = random.Random(seed), 0.0, []
    while at < seconds:
        starts.append(at)
        at += source.expovariate(rate)
    return starts
