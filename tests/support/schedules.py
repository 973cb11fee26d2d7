"""How many schedules a state machine plays: its settings, the same for all of them.

Shrinking a schedule of sixty steps takes minutes, so a failing one is printed as it was found; `BALANCE_SHRINK=1` makes
it small. `--hypothesis-seed` plays it again.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings


def schedules(count: int, steps: int) -> settings:
    """Settings for `count` schedules of up to `steps` steps each."""
    phases = [Phase.explicit, Phase.reuse, Phase.generate]
    return settings(
        max_examples=count,
        stateful_step_count=steps,
        deadline=None,
        phases=[*phases, Phase.shrink] if os.environ.get("BALANCE_SHRINK") else phases,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
