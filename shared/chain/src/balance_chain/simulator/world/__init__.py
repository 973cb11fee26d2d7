"""A town of courts over two years: every procedure, honest oddities, misconduct by rule and degree, with its labels."""

from balance_chain.simulator.world.book import SCENARIOS
from balance_chain.simulator.world.stream import World, WorldOptions, simulate_world

__all__ = ["SCENARIOS", "World", "WorldOptions", "simulate_world"]
