"""Everything that may be planted in a single case."""

from typing import Final

from balance_chain.simulator.world.clocks import CLOCKS
from balance_chain.simulator.world.limits import LIMITS
from balance_chain.simulator.world.order import ORDER
from balance_chain.simulator.world.people import PEOPLE
from balance_chain.simulator.world.scenario import Scenario

SCENARIOS: Final[tuple[Scenario, ...]] = (*CLOCKS.all, *LIMITS.all, *ORDER.all, *PEOPLE.all)
