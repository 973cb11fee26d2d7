"""Loads what judges from the settings: the rule book, how long alerts may wait, and how long silence is waited for."""

from typing import Any

from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir

from balance_judge_audit import rulebook
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.shard import Clocks, Places
from balance_judge_audit.flow import FILE, Flow, load_flow
from balance_judge_audit.life.keeper import LifeKeeper
from balance_judge_audit.life.policy import load_policy, policy_file
from balance_judge_audit.projecting import Projections
from balance_judge_audit.settings import AuditSettings, WorkerSettings


def load_book(settings: AuditSettings) -> RuleBook:
    """The rule book, checked against the event catalogue."""
    return rulebook.load(settings.rules or data_dir("rules"), event_schemas(), int(settings.lateness_seconds * 1000))


def load_trial(settings: AuditSettings) -> RuleBook | None:
    """The rules on trial, where there are any."""
    if settings.shadow_rules is None:
        return None
    return rulebook.load(settings.shadow_rules, event_schemas(), int(settings.lateness_seconds * 1000))


def event_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of each event type."""
    return {name: dict(kind.schema) for name, kind in Catalogue.load(data_dir("catalogue")).types.items()}


def life_keeper(settings: AuditSettings, places: Places) -> LifeKeeper:
    """The life of alerts as this installation's policy has it."""
    return LifeKeeper(load_policy(policy_file(settings.rules)), places, settings.audit_source)


def clocks(settings: AuditSettings) -> Clocks:
    """Grace and lateness as the engine counts them."""
    return Clocks(int(settings.grace_seconds * 1000), int(settings.lateness_seconds * 1000))


def load_phases(settings: AuditSettings) -> Flow:
    """The phases in which cases wait: of the rule book's directory, else those that are installed."""
    own = settings.rules
    return load_flow(own if own is not None and (own / FILE).is_file() else data_dir("rules"))


def projections(settings: WorkerSettings) -> Projections:
    """What is kept beside alerts."""
    return Projections(load_phases(settings), settings.audit_case_cache)
