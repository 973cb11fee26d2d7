"""What is new of a rule in a case becomes numbered revisions of its alerts."""

from balance_chain.core.times import format_ms

from balance_judge_audit.engine.alerts import Episode, Revision, Trigger, alert_id, digest
from balance_judge_audit.engine.facts import Announced, CaseState, Fact
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.view import View


def announce(
    rule: Rule, caseid: str, state: CaseState, view: View, episodes: list[Episode], cause: Trigger | None
) -> list[Revision]:
    """Says what is new: episodes that began or changed, and those that later facts, or a calendar (the cause), have
    put in order.
    """
    announced = state.announced.setdefault(view.rule, {})
    said: list[Revision] = []

    def say(episode: Episode, known: Announced | None, mark: str, private: bool) -> None:
        number = known.revision + 1 if known else 1
        announced[episode.start] = Announced(number, episode.state, mark, private)
        said.append(
            Revision(
                id=alert_id(rule.id, rule.major, caseid, episode.start),
                revision=number,
                rule=rule.id,
                version=rule.version,
                severity=rule.severity,
                state=episode.state,
                private=private,
                subject=caseid,
                start=episode.start,
                courtcode=state.court,
                shard=view.shard,
                judged=format_ms(view.now),
                triggers=episode.triggers,
                numbers=episode.numbers,
            )
        )

    for episode in episodes:
        known, mark = announced.get(episode.start), digest(episode)
        if known is None or known.digest != mark:
            warned = known is None or known.private
            say(episode, known, mark, private=episode.state == "warning" and warned)
    standing = {episode.start for episode in episodes}
    for start, known in list(announced.items()):
        if start not in standing and known.state != "cured":
            triggers = _last_facts(view) if cause is None else (cause,)
            say(Episode(start, "cured", triggers, {}), known, "", private=known.private)
    return said


def _last_facts(view: View) -> tuple[Trigger, ...]:
    """What the rule knows of the case now: the facts that put it in order are among them."""
    prefix = view.rule + ":"
    named: list[tuple[str, Fact]] = []
    for fact in sorted(view.facts, key=lambda each: (each.time, each.offset)):
        role = next((mark.removeprefix(prefix) for mark in fact.marks if mark.startswith(prefix)), None)
        if role is not None:
            named.append((role, fact))
    return view.triggers(named)
