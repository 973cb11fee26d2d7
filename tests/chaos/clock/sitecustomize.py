"""A clock that a test can step: Python loads this by itself in each process whose PYTHONPATH names this folder.

`time.time` and `time.time_ns` are set off by the seconds in the file named after the process in BALANCE_TEST_CLOCK;
`time.monotonic` is left alone, as it is when a machine's clock is stepped.
"""

import os
import sys
import time
from pathlib import Path

LOOK_SECONDS = 0.1
_folder = os.environ.get("BALANCE_TEST_CLOCK")
if _folder and len(sys.orig_argv) > 2:
    _file = Path(_folder) / f"{Path(sys.orig_argv[1]).name}-{sys.orig_argv[2]}"
    _true_ns = time.time_ns
    _monotonic = time.monotonic
    _state = {"looked": -1.0, "offset": 0}

    def _offset_ns() -> int:
        now = _monotonic()
        if now - _state["looked"] > LOOK_SECONDS:
            _state["looked"] = now
            try:
                _state["offset"] = int(float(_file.read_text()) * 1_000_000_000)
            except (OSError, ValueError):
                _state["offset"] = 0
        return int(_state["offset"])

    def _time_ns() -> int:
        return _true_ns() + _offset_ns()

    def _time() -> float:
        return _time_ns() / 1_000_000_000

    time.time_ns = _time_ns
    time.time = _time
