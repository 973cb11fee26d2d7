"""Whole Chinese cases over the catalogue, invented: honest ones, and ones with breaches whose labels score the rules.

Pure and deterministic: the same arguments give the same bytes, and nothing here reads a clock, a file or a network.
"""

from balance_chain.simulator.generate import generate
from balance_chain.simulator.model import ANCHOR_MS, Event, Label, Registration, Simulation
from balance_chain.simulator.sources import registrations

__all__ = ["ANCHOR_MS", "Event", "Label", "Registration", "Simulation", "generate", "registrations"]
