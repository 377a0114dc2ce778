"""`python -m tests.e2e.jumping SECONDS ARGUMENTS`: the command, whose wall clock is set anew while it runs.

The clock is replaced before anything else is imported, since many functions hold on to it as their default.
"""

import sys
import time
from itertools import count

LOOKS = 120  # at the clock, after which it is set; a small campaign takes several hundred

_right, _looks = time.time, count()


def set_by(seconds: float) -> None:
    """After so many looks the clock is set."""
    time.time = lambda: _right() + (seconds if next(_looks) >= LOOKS else 0.0)


if __name__ == "__main__":
    set_by(float(sys.argv.pop(1)))
    import agent.cli.main
    from tests.cli.scripted import scripted
    from tests.support import pictures

    try:
        with pictures.empty():
            agent.cli.main.main(scripted())
    finally:
        print(f"{next(_looks)} looks at the clock")  # noqa: T201 - for the test that started this
