"""Small pictures for metadata and reports, as SVG text.

What belongs here: a line through numbers, drawn in a kilobyte. What does not: charts with axes and legends, and reading
the numbers. A plotting library would add 60 MB and a second of import to every run for this one line.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 480, 96, 4


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


def data_uri(svg: str) -> str:
    """The picture as a URI that Markdown and HTML can show without a second request."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
