"""Small pictures for metadata and reports, as SVG text.

What belongs here: a line through numbers and a map of coloured cells, drawn in kilobytes. What does not: what they show. A
plotting library would add 60 MB and a second of import to every run for these two.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from itertools import groupby

WIDTH, HEIGHT, MARGIN = 480, 96, 4
MAP_SHOWN = 620  # pixels at which a heat map fits beside the columns of the web UI; it scales
MAP_WIDTH, LABEL, ROW, HEAD = (
    720,
    210,
    15,
    26,
)  # of a heat map: its cells, the labels beside (at least), a row, the legend above
_LETTER = 6.4  # pixels of a letter at the map's size of letters, rather more than less


def sparkline_svg(values: Sequence[float], *, title: str, color: str = "#4f43dd") -> str:
    """A line through `values` (at least two finite ones), equally spaced, scaled to the picture's height.

    Returns:
        An SVG document; an empty text where there is nothing to draw.
    """
    points = [value for value in values if math.isfinite(value)]
    if len(points) < 2:
        return ""
    low, high = min(points), max(points)
    span = (high - low) or 1.0
    step = (WIDTH - 2 * MARGIN) / (len(points) - 1)
    path = " ".join(
        f"{MARGIN + i * step:.1f},{HEIGHT - MARGIN - (value - low) / span * (HEIGHT - 2 * MARGIN):.1f}"
        for i, value in enumerate(points)
    )
    area = f"{MARGIN},{HEIGHT - MARGIN} {path} {WIDTH - MARGIN},{HEIGHT - MARGIN}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" role="img">'
        f"<title>{_escape(title)}</title>"
        f'<polygon points="{area}" fill="{color}" fill-opacity="0.12"/>'
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"/></svg>'
    )


def heat_map_svg(
    rows: Sequence[tuple[str, Sequence[str]]], colors: Mapping[str, str], *, title: str, ends: tuple[str, str]
) -> str:
    """A map of rows × cells, each cell coloured by its kind, with a legend of the kinds that occur.

    Args:
        rows: Label and kinds of each row; all rows are equally long.
        colors: Kind → colour, in the legend's order.
        title: What the map shows.
        ends: Words below the first and the last cell.

    Returns:
        An SVG document; an empty text where there is no row.
    """
    if not rows or not rows[0][1]:
        return ""
    cell = MAP_WIDTH / len(rows[0][1])
    beside = max(LABEL, math.ceil(_LETTER * max(len(label) for label, _ in rows)) + 12)
    height = HEAD + len(rows) * ROW + 2 * ROW
    parts = [f"<title>{_escape(title)}</title>"]
    shown = [kind for kind in colors if any(kind in kinds for _, kinds in rows)]
    for place, kind in enumerate(shown):
        x = beside + place * 110
        parts.append(
            f'<rect x="{x}" y="6" width="11" height="11" fill="{colors[kind]}" stroke="#99a" stroke-width=".4"/>'
        )
        parts.append(f'<text x="{x + 15}" y="16">{_escape(kind.replace("_", " "))}</text>')
    for number, (label, kinds) in enumerate(rows):
        y = HEAD + number * ROW
        parts.append(f'<text x="{beside - 6}" y="{y + ROW - 4}" text-anchor="end">{_escape(label)}</text>')
        first = 0
        for kind, run in groupby(kinds):
            length, color = len(list(run)), colors[kind]
            told = f"{_escape(label)}: {_escape(kind.replace('_', ' '))}"
            parts.append(
                f'<rect x="{beside + first * cell:.2f}" y="{y}" width="{length * cell:.2f}" height="{ROW - 1}"'
                f' fill="{color}"><title>{told}</title></rect>'
            )
            first += length
    parts.append(f'<text x="{beside}" y="{height - ROW + 2}">{_escape(ends[0])}</text>')
    parts.append(f'<text x="{beside + MAP_WIDTH}" y="{height - ROW + 2}" text-anchor="end">{_escape(ends[1])}</text>')
    width = beside + MAP_WIDTH + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{MAP_SHOWN}" height="{height * MAP_SHOWN // width}"'
        f' viewBox="0 0 {width} {height}" role="img" font-family="system-ui,sans-serif" font-size="11" fill="#334">'
        f"{''.join(parts)}</svg>"
    )


def data_uri(svg: str) -> str:
    """The picture as a URI that Markdown and HTML can show without a second request."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
