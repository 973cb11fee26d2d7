"""Named points at which a test may have this process killed as by `kill -9`; without the variable they do nothing."""

import os
import signal
from collections import Counter
from pathlib import Path

_hits: Counter[str] = Counter()


def hit(name: str) -> None:
    """Dies here if `BALANCE_KILL_POINT` is `name`, or `name:n` at the nth call; leaves `BALANCE_KILL_MARKER`.

    `BALANCE_KILL_SIGNAL` names another signal: with SIGSTOP it freezes here and goes on at SIGCONT, a zombie.
    The marker is written once: a process restarted with the same environment passes the point.
    """
    wanted = os.environ.get("BALANCE_KILL_POINT")
    if not wanted:
        return
    point, _, nth = wanted.partition(":")
    if point != name:
        return
    _hits[name] += 1
    if _hits[name] != int(nth or "1"):
        return
    marker = os.environ.get("BALANCE_KILL_MARKER")
    if marker:
        path = Path(marker)
        if path.exists():
            return
        path.write_text(name)
    os.kill(os.getpid(), signal.Signals[os.environ.get("BALANCE_KILL_SIGNAL", "SIGKILL")])
