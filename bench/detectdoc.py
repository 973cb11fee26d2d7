"""Writes what `make detect` measured into docs/detection.md: the tables between their marks, and a curve a rule."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from balance_chain.simulator.world.effects import EFFECTS, Effect
from balance_judge_audit.detection import Score

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 18, 52
GRADES = ("blatant", "plain", "subtle")


@dataclass(frozen=True)
class Power:
    """How often an effect of a size was seen, and how often somebody else was named in its stream."""

    size: float
    seen: float
    other: float
    runs: int


@dataclass
class Figures:
    """Everything that one run measured."""

    seed: int
    honest_cases: int
    events: int = 0
    planted: dict[str, Score] = field(default_factory=dict)
    honest: dict[str, Score] = field(default_factory=dict)
    powers: dict[str, list[Power]] = field(default_factory=dict)


def write_docs(docs: Path, figures: Figures) -> None:
    """Puts the tables into docs/detection.md and the curves beside it."""
    page = docs / "detection.md"
    text = page.read_text(encoding="utf-8")
    for name, table in (("breaches", breaches(figures)), ("honest", honest(figures)), ("power", power(figures))):
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = marks.subn(lambda found, table=table: found[1] + table + found[2], text)  # type: ignore[misc]
        if count != 1:
            raise SystemExit(f"docs/detection.md: the marks <!-- {name} --> … <!-- end --> stand there {count} times")
    page.write_text(text, encoding="utf-8")
    for effect in EFFECTS:
        curve = svg(effect, figures.powers[effect.rule])
        (docs / f"detection-{effect.rule}.svg").write_text(curve, encoding="utf-8")


def breaches(figures: Figures) -> str:
    lines = [
        "| rule | breaches | found | blatant | plain | subtle | near-misses | alarms on them | precision | recall |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for rule, each in sorted(figures.planted.items()):
        grades = [each.by_subtlety.get(grade) for grade in GRADES]
        shown = " | ".join(f"{grade[0]}/{grade[1]}" if grade else "–" for grade in grades)
        lines.append(
            f"| {rule} | {each.positives} | {each.found} | {shown} | {each.near_misses} | {each.near_alarms} "
            f"| {each.precision:.3f} | {each.recall:.3f} |"
        )
    return "\n".join(lines) + "\n"


def honest(figures: Figures) -> str:
    lines = [
        f"{figures.honest_cases} honest cases, first seed {figures.seed + 400}.",
        "",
        "| rule | alarms that stand, in 10,000 cases | raised and cured, in 10,000 cases |",
        "|---|---|---|",
    ]
    for rule, each in sorted(figures.honest.items()):
        standing = each.false_standing * 10_000 / figures.honest_cases
        cured = each.false_cured * 10_000 / figures.honest_cases
        lines.append(f"| {rule} | {standing:g} | {cured:g} |")
    return "\n".join(lines) + "\n"


def power(figures: Figures) -> str:
    lines = ["| rule | size of the effect | seen | somebody else named | streams |", "|---|---|---|---|---|"]
    for effect in EFFECTS:
        for each in figures.powers[effect.rule]:
            lines.append(f"| {effect.rule} | {each.size:.2f} | {each.seen:.2f} | {each.other:.2f} | {each.runs} |")
    return "\n".join(lines) + "\n"


def svg(effect: Effect, powers: list[Power]) -> str:
    """A curve: how often an effect is seen, by its size."""
    top = max(effect.sizes)

    def at(size: float, share: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * size / top
        return f"{x:.1f},{TOP + (HEIGHT - TOP - BOTTOM) * (1 - share):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="{effect.rule}: {effect.en}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        (x1, y), (x2, _) = (each.split(",") for each in (at(0, share), at(top, share)))
        parts.append(f'<line x1="{x1}" y1="{y}" x2="{x2}" y2="{y}" stroke="#d8dde3"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{float(y) + 4:.1f}" text-anchor="end" fill="#3d4650">{share:.0%}</text>')
    chance_x, y1 = at(effect.chance, 1).split(",")
    y2 = at(0, 0).split(",")[1]
    parts.append(f'<line x1="{chance_x}" y1="{y1}" x2="{chance_x}" y2="{y2}" stroke="#8a94a0" stroke-dasharray="4 4"/>')
    for each in powers:
        x = at(each.size, 0).split(",")[0]
        parts.append(
            f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#3d4650">{each.size:.2g}</text>'
        )
    line = " ".join(at(each.size, each.seen) for each in powers)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#1f5fa8" stroke-width="2.5"/>')
    for each in powers:
        x, y = at(each.size, each.seen).split(",")
        parts.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="#1f5fa8"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle" fill="#1d232a">'
        f"{effect.rule} · {effect.zh} · {effect.en}</text>"
    )
    return "\n".join([*parts, "</svg>", ""])
