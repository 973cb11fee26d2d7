"""Writes the measured part of docs/performance.md, with its curves, from the reports in build/reports.

    python bench/performance.py

The words around the tables are written by hand and stay; what stands between the marks `<!-- figures: NAME -->` and
`<!-- end -->` is replaced where there is a report of that name.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from report import REPORTS

DOCS = REPORTS.parents[1] / "docs"
PAGE = DOCS / "performance.md"
CURVES = DOCS / "performance"
MARKED = re.compile(r"(<!-- figures: (?P<name>[a-z_]+) -->\n).*?(<!-- end -->)", re.DOTALL)
SIZED = re.compile(r"^(?P<name>.+), (?P<size>[\d,]+) (?:events|rows|entries)$")
WIDTH, HEIGHT, MARGIN = 640, 300, 56
COLOURS = ("#1f6feb", "#bf4b00", "#1a7f37", "#8250df")


def write_figures() -> None:
    """Replace every marked part for which there is a report."""
    text = PAGE.read_text(encoding="utf-8")

    def replaced(found: re.Match[str]) -> str:
        file = REPORTS / f"{found['name']}.json"
        if not file.is_file():
            return found[0]
        report = json.loads(file.read_text(encoding="utf-8"))
        return found[1] + "\n" + part(found["name"], report) + "\n" + found[3]

    PAGE.write_text(MARKED.sub(replaced, text), encoding="utf-8")


def part(name: str, report: Mapping[str, Any]) -> str:
    day = datetime.fromtimestamp((REPORTS / f"{name}.json").stat().st_mtime, UTC).date()
    rows = report["rows"]
    lines = [f"{report['machine']}; {day}.", "", "|what|measured|spread|target||", "|---|---|---|---|---|"]
    lines += [line(each) for each in rows]
    for title, series in curves(rows).items():
        file = f"{name}-{re.sub('[^a-z0-9]+', '-', title.lower()).strip('-')}.svg"
        CURVES.mkdir(parents=True, exist_ok=True)
        (CURVES / file).write_text(draw(title, series), encoding="utf-8")
        lines += ["", f"![{title}](performance/{file})"]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """Three digits that count, and no exponents."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def line(each: Mapping[str, Any]) -> str:
    runs = each["runs"] if isinstance(each["runs"], list) else []
    spread = f"{number(min(runs))} to {number(max(runs))}, {len(runs)} runs" if len(runs) > 1 else ""
    target = "" if each["target"] is None else f"{each.get('sense', '')} {each['target']:g}".strip()
    met = "" if each["target"] is None else ("met" if each["met"] else "**missed**")
    note = f" ({each['note']})" if each.get("note") else ""
    return f"|{each['name']}{note}|{number(each['value'])} {each['unit']}|{spread}|{target}|{met}|"


def curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Rows that were measured at several sizes, those of one unit on one picture."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for each in rows:
        if sized := SIZED.match(each["name"]):
            point = (float(sized["size"].replace(",", "")), float(each["value"]))
            group = (
                sized["name"].split(" of ")[0]
                if sized["name"].startswith(("restart", "disk"))
                else ("one proof" if "proof" in sized["name"] and each["unit"] == "ms" else sized["name"])
            )
            found[f"{group}, {each['unit']}"][sized["name"]].append(point)
    return {title: dict(s) for title, s in found.items() if any(len(points) > 1 for points in s.values())}


def draw(title: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Both axes logarithmic, so that a power of n is a straight line."""
    points = [point for each in series.values() for point in each]
    low_x, high_x = (math.log10(f(x for x, _ in points)) for f in (min, max))
    low_y = math.floor(math.log10(max(min(y for _, y in points), 1e-3)))
    high_y = max(math.ceil(math.log10(max(max(y for _, y in points), 1e-3))), low_y + 1)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - low_x) / max(high_x - low_x, 1e-9)
        up = (math.log10(max(y, 1e-3)) - low_y) / (high_y - low_y)
        return MARGIN + across * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN)

    total = HEIGHT + 18 * len(series)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{total}" fill="#fff"/><text x="{MARGIN}" y="24" font-size="14">{title}</text>',
    ]
    for power in range(low_y, high_y + 1):
        _, y = at(10**low_x, 10.0**power)
        parts.append(f'<path d="M{MARGIN} {y:.1f}H{WIDTH - MARGIN}" stroke="#ddd"/>')
        parts.append(f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for size in sorted({x for x, _ in points}):
        x, _ = at(size, 1)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">{size:,.0f}</text>')
    for number, (name, own) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        dash = ' stroke-dasharray="6 4"' if number >= len(COLOURS) else ""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in sorted(own)))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in (at(*p) for p in own)]
        parts.append(f'<text x="{MARGIN}" y="{HEIGHT - 12 + 18 * number}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    write_figures()
