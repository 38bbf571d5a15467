"""Pictures of a validation, as SVG text: calibration, residuals, and errors fold by fold.

What belongs here: drawing what a validation holds, in kilobytes and the same text for the same numbers. What does not: the
numbers (validation.py), and lines and maps of other reports (schema/plots.py). A plotting library would add 60 MB for these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from crypto_assets.forecasting.validation import Validation

WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 34, 38  # margins around the plot
MODEL, BASELINE, GUIDE = "#4f43dd", "#f0a33c", "#99a"
_PLOT_WIDTH, _PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
_LABELS = 6  # labels below an axis that fit beside each other


def calibration_svg(validation: Validation) -> str:
    """Share of truths below each forecast quantile over the share that was promised; the diagonal is perfect.

    Returns:
        An SVG document; an empty text where nothing was judged.
    """
    points = [(nominal, observed) for nominal, observed in validation.calibration if math.isfinite(observed)]
    if not points:
        return ""
    parts = [_line([(0.0, 0.0), (1.0, 1.0)], GUIDE, dash="4 4")]
    parts += [
        f'<circle cx="{_x(nominal):.1f}" cy="{_y(observed):.1f}" r="4" fill="{MODEL}">'
        f"<title>promised {nominal:.0%}, came {observed:.1%}</title></circle>"
        for nominal, observed in points
    ]
    if len(points) > 1:
        parts.append(_line(points, MODEL))
    ticks = [(share, f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    parts += [_below(_x(share), text) for share, text in ticks] + [_beside(_y(share), text) for share, text in ticks]
    return _document(f"Calibration of {validation.forecast}: truths below each quantile", parts, "promised")


def residuals_svg(validation: Validation) -> str:
    """Histogram of truth less forecast, in logarithmic change; a good forecast's is narrow and centred.

    Returns:
        An SVG document; an empty text where nothing was judged.
    """
    edges, counts = validation.residual_bins, validation.residual_counts
    highest = max(counts, default=0)
    if not highest:
        return ""
    low, span = edges[0], (edges[-1] - edges[0]) or 1.0
    parts = []
    for place, count in enumerate(counts):
        left, right = ((edge - low) / span for edge in (edges[place], edges[place + 1]))
        parts.append(
            f'<rect x="{_x(left):.1f}" y="{_y(count / highest):.1f}" width="{max(0.5, (right - left) * _PLOT_WIDTH - 1):.1f}"'
            f' height="{count / highest * _PLOT_HEIGHT:.1f}" fill="{MODEL}">'
            f"<title>{edges[place]:.4g} to {edges[place + 1]:.4g}: {count:,}</title></rect>"
        )
    if low <= 0 <= edges[-1]:
        parts.append(_line([(-low / span, 0.0), (-low / span, 1.0)], GUIDE, dash="4 4"))
    step = max(1, (len(edges) - 1) // (_LABELS - 1))
    parts += [_below(_x((edge - low) / span), f"{edge:.2g}") for edge in edges[::step]]
    parts += [_beside(_y(0), "0"), _beside(_y(1), f"{highest:,}")]
    return _document(f"Residuals of {validation.forecast}: truth less forecast, rows", parts, "log change")


def folds_svg(validation: Validation) -> str:
    """Mean absolute error of the model beside that of the best baseline, fold by fold in time.

    Returns:
        An SVG document; an empty text where there is no fold.
    """
    best = validation.best_baseline
    pairs = [(fold.mae, fold.baselines.get(best, math.nan)) for fold in validation.folds]
    highest = max((value for pair in pairs for value in pair if math.isfinite(value)), default=0.0)
    if highest <= 0:
        return ""
    parts, slot = [], 1 / len(pairs)
    for place, pair in enumerate(pairs):
        for side, (value, color, name) in enumerate(zip(pair, (MODEL, BASELINE), ("model", best), strict=True)):
            if math.isfinite(value):
                parts.append(
                    f'<rect x="{_x((place + 0.15 + 0.35 * side) * slot):.1f}" y="{_y(value / highest):.1f}"'
                    f' width="{0.33 * slot * _PLOT_WIDTH:.1f}" height="{value / highest * _PLOT_HEIGHT:.1f}"'
                    f' fill="{color}"><title>fold {place + 1}, {_escape(name)}: {value:.4g}</title></rect>'
                )
        parts.append(_below(_x((place + 0.5) * slot), f"{place + 1}"))
    parts += [_beside(_y(share), f"{share * highest:.3g}") for share in (0.0, 0.5, 1.0)]
    parts += [
        f'<rect x="{LEFT + 110 * place}" y="20" width="9" height="9" fill="{color}"/>'
        f'<text x="{LEFT + 110 * place + 13}" y="28">{_escape(name)}</text>'
        for place, (color, name) in enumerate(((MODEL, validation.learner), (BASELINE, best)))
    ]
    return _document(f"Mean absolute error of {validation.forecast}, walked forward", parts, "fold")


def _document(title: str, parts: Sequence[str], below: str) -> str:
    """The plot inside its axes."""
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' role="img" font-family="system-ui,sans-serif" font-size="10" fill="#334"><title>{_escape(title)}</title>'
        f'<text x="{LEFT}" y="14" font-size="12">{_escape(title)}</text>{"".join(parts)}'
        f'<polyline points="{LEFT},{TOP} {LEFT},{bottom} {right},{bottom}" fill="none" stroke="#334"/>'
        f'<text x="{right}" y="{HEIGHT - 6}" text-anchor="end">{_escape(below)}</text></svg>'
    )


def _x(share: float) -> float:
    return LEFT + share * _PLOT_WIDTH


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * _PLOT_HEIGHT


def _line(points: Sequence[tuple[float, float]], color: str, dash: str = "") -> str:
    path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"{dashes}/>'


def _below(x: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{_escape(text)}</text>'


def _beside(y: float, text: str) -> str:
    return f'<text x="{LEFT - 6}" y="{y + 3:.1f}" text-anchor="end">{_escape(text)}</text>'


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


__all__ = ["calibration_svg", "folds_svg", "residuals_svg"]
