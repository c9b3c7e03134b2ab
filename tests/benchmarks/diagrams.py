"""Work-precision diagrams as one SVG: a panel a problem, seconds across, the error achieved upwards, log axes.

A row holds `name` and `points`: {contestant: {"error": [...], "seconds": [...]}}, one entry a tolerance; entries that
are no positive numbers are left out. The lower left is best.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, COLUMNS = 300, 240, 62, 44, 3  # of a panel, with its margins to the left and above
NAMES, LINE = 5, 20  # of contestants in a line of the legend, and its height
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f")
LOOK = """<style>text{font:11px Inter,'Segoe UI','DejaVu Sans',sans-serif;fill:#24292f}.name{font-weight:600}
.paper{fill:#fff}.grid{stroke:#d8dee4}.line{fill:none;stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#e6edf3}
.paper{fill:#15191e}.grid{stroke:#2b323b}}</style>"""

Points = list[tuple[float, float]]


def diagrams(rows: Sequence[Mapping]) -> str:
    """The picture; empty where no row has two points of anybody."""
    panels = [(str(row.get("name")), found) for row in rows if (found := curves(row))]
    if not panels:
        return ""
    names = list(dict.fromkeys(name for _, found in panels for name in found))
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    columns = min(COLUMNS, len(panels))
    below = LINE * -(-len(names) // NAMES)
    wide, high = columns * (WIDTH + LEFT) + 20, -(-len(panels) // columns) * (HEIGHT + TOP) + 30 + below
    parts = []
    for place, (title, found) in enumerate(panels):
        down, across = divmod(place, columns)
        parts.append(panel(title, found, colours, (LEFT + across * (WIDTH + LEFT), TOP + down * (HEIGHT + TOP))))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        f'role="img" aria-label="Time against the error achieved">{LOOK}'
        f'<rect class="paper" width="{wide}" height="{high}"/>'
        f"{''.join(parts)}{legend(colours, high + 6 - below, wide)}</svg>\n"
    )


def curves(row: Mapping) -> dict[str, Points]:
    """(seconds, error) of every contestant that has two points."""
    given = row.get("points")
    found: dict[str, Points] = {}
    for name, columns in given.items() if isinstance(given, Mapping) else ():
        if not isinstance(columns, Mapping):
            continue
        pairs = zip(columns.get("seconds") or (), columns.get("error") or (), strict=False)
        kept = [(float(s), float(e)) for s, e in pairs if drawable(s) and drawable(e)]
        if len(kept) > 1:
            found[str(name)] = kept
    return found


def drawable(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


def panel(title: str, found: Mapping[str, Points], colours: Mapping[str, str], corner: tuple[int, int]) -> str:
    """One problem, with its upper left corner there."""
    every = [point for points in found.values() for point in points]
    spans = [bounds([point[axis] for point in every]) for axis in (0, 1)]
    wide, high = WIDTH - 16, HEIGHT - 42

    def place(seconds: float, error: float) -> tuple[float, float]:
        across, up = (
            (math.log10(value) - low) / (top - low) for value, (low, top) in zip((seconds, error), spans, strict=True)
        )
        return across * wide, (1 - up) * high

    parts = [f'<text class="name" x="0" y="-8">{escape(title)}</text>']
    for decade in range(spans[0][0], spans[0][1] + 1, step(spans[0])):
        x, _ = place(10.0**decade, 10.0 ** spans[1][0])
        parts.append(f'<path class="grid" d="M{x:.1f} 0V{high}"/>')
        parts.append(f'<text x="{x:.1f}" y="{high + 15}" text-anchor="middle">{power(decade)} s</text>')
    for decade in range(spans[1][0], spans[1][1] + 1, step(spans[1])):
        _, y = place(10.0 ** spans[0][0], 10.0**decade)
        parts.append(f'<path class="grid" d="M0 {y:.1f}H{wide}"/>')
        parts.append(f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{power(decade)}</text>')
    for name, points in found.items():
        placed = [place(*point) for point in points]
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
        dash = "" if name.startswith("ours") else ' stroke-dasharray="5 3"'
        parts.append(f'<path class="line" stroke="{colours[name]}"{dash} d="M{line}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colours[name]}"/>' for x, y in placed]
    return f'<g transform="translate({corner[0]} {corner[1]})">{"".join(parts)}</g>'


def legend(colours: Mapping[str, str], y: int, wide: int) -> str:
    each = (wide - LEFT) / min(len(colours), NAMES)
    parts = []
    for place, (name, colour) in enumerate(colours.items()):
        x, down = LEFT + (place % NAMES) * each, y + LINE * (place // NAMES)
        dash = "" if name.startswith("ours") else ' stroke-dasharray="5 3"'
        parts.append(f'<path class="line" stroke="{colour}"{dash} d="M{x:.0f} {down}h26"/>')
        parts.append(f'<text x="{x + 32:.0f}" y="{down + 4}">{escape(name)}</text>')
    return "".join(parts)


def bounds(values: Sequence[float]) -> tuple[int, int]:
    """Whole decades around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def step(span: tuple[int, int]) -> int:
    """Decades between ticks, at most seven of them."""
    return max(1, -(-(span[1] - span[0]) // 6))


def power(decade: int) -> str:
    return f'10<tspan dy="-4" font-size="8">{decade}</tspan><tspan dy="4">&#8203;</tspan>'
