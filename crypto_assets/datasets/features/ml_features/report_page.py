"""The feature report as a page: its template, which needs nothing else to be shown.

What belongs here: HTML, styles and the correlation picture. What does not: figures (report.py).
"""

from __future__ import annotations

import jinja2
import numpy as np
from markupsafe import Markup

from crypto_assets.datasets.features.ml_features.report import ColumnFigures, FeatureReport

CELL = 9  # pixels of the correlation matrix; 70 columns fit a page
_SHADES = 12

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>crypto_assets features</title><style>
body{font:15px/1.5 system-ui,sans-serif;margin:2.5rem auto;max-width:88rem;padding:0 1rem;color:#1b1b29;background:#fbfbfe}
h1{font-size:1.6rem;margin-bottom:0}h2{font-size:1.15rem;margin-top:2.2rem}p.sub{color:#667;margin-top:.2rem}
table{border-collapse:collapse;display:block;overflow-x:auto;background:#fff;
border:1px solid #e4e4ef;width:fit-content;max-width:100%}
th,td{padding:.35rem .6rem;text-align:left;border-bottom:1px solid #eeeef5;white-space:nowrap}
th{background:#f3f3fa;font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}
.bad{color:#b3261e;font-weight:600}.map svg{max-width:100%;height:auto}
.bar{display:inline-block;height:.55rem;border-radius:3px;background:#4f43dd;margin-right:.4rem}
.spread{position:relative;display:inline-block;width:120px;height:.6rem;background:#eeeef5;border-radius:3px}

.spread i{position:absolute;top:0;bottom:0;background:#b9b4f0}
.spread b{position:absolute;top:-2px;bottom:-2px;width:2px;background:#4f43dd}
</style></head><body>
<h1>Features</h1><p class="sub">Version {{ report.version }} · {{ "{:,}".format(report.rows) }} rows sampled
{% if report.start %}from {{ report.start.strftime("%Y-%m-%d") }} to {{ report.end.strftime("%Y-%m-%d %H:%M") }} UTC
{% endif %}</p>
<h2>Look-ahead proof</h2><p>{{ proof }}.</p>
<h2>Worth a look</h2><ul>{% for line in notices %}<li>{{ line }}</li>{% else %}<li>Nothing.</li>{% endfor %}</ul>
<h2>Columns</h2><p class="sub">The bar runs from the least to the most value; the light part holds 90 % of them, the mark is the
median. Drift is the population stability index of the newest days against those before.</p>
<table><tr><th>set</th><th>feature</th><th>known</th><th>spread</th><th>least</th><th>5 %</th><th>median</th><th>95 %</th>
<th>most</th><th>mean</th><th>deviation</th><th>drift</th></tr>
{% for c in report.columns %}<tr><td>{{ c.feature_set }}</td><td>{{ c.name }}</td>
<td class="n"><span class="bar" style="width:{{ (c.coverage * 60)|round|int }}px"></span>{{ "{:.1%}".format(c.coverage) }}</td>
<td>{{ c|spread }}</td>{% for q in c.quantiles %}<td class="n">{{ "{:.4g}".format(q) }}</td>{% else %}<td></td><td></td>
<td></td><td></td><td></td>{% endfor %}
<td class="n">{{ "{:.4g}".format(c.mean) if c.quantiles }}</td>
<td class="n">{{ "{:.4g}".format(c.deviation) if c.quantiles }}</td>
<td class="n">{{ "" if c.psi is none else "{:.3f}".format(c.psi) }}</td></tr>
{% endfor %}</table>
<h2>Coverage</h2><p class="sub">Share of values that are known, by market and feature set.</p>
<table><tr><th>series</th>{% for name in report.coverage.columns %}<th>{{ name|replace("_", " ") }}</th>{% endfor %}</tr>
{% for series, row in report.coverage.iterrows() %}<tr><td>{{ series }}</td>
{% for value in row %}<td class="n">{{ "{:.1%}".format(value) }}</td>{% endfor %}</tr>{% endfor %}</table>
<h2>Correlation</h2><p class="sub">Blue together, red against each other; point at a cell to see which.</p>
<div class="map">{{ picture }}</div></body></html>
"""


def to_html(report: FeatureReport, notices: list[str], proof: str) -> str:
    """The page."""
    environment = jinja2.Environment(autoescape=True)
    environment.filters["spread"] = _spread
    picture = Markup(correlation_svg(report))  # noqa: S704 - made of numbers and names from this code
    return environment.from_string(PAGE).render(report=report, notices=notices, proof=proof, picture=picture)


def correlation_svg(report: FeatureReport) -> str:
    """The correlation matrix as cells, blue for together and red for against; an empty text without columns."""
    names = [one.name for one in report.columns]
    if not names:
        return ""
    size, label = len(names) * CELL, 190
    parts = []
    for row, name in enumerate(names):
        y = row * CELL
        parts.append(f'<text x="{label - 5}" y="{y + CELL - 2}" text-anchor="end">{name}</text>')
        for place, value in enumerate(report.correlation[row]):
            if np.isfinite(value) and (shade := round(abs(value) * _SHADES)):
                color = "#4f43dd" if value > 0 else "#c8412f"
                told = f"{name}, {names[place]}: {value:.2f}"
                parts.append(
                    f'<rect x="{label + place * CELL}" y="{y}" width="{CELL}" height="{CELL}" fill="{color}"'
                    f' fill-opacity="{shade / _SHADES:.2f}"><title>{told}</title></rect>'
                )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {label + size} {size}" width="{label + size}"'
        f' font-family="system-ui,sans-serif" font-size="8" fill="#334">{"".join(parts)}</svg>'
    )


def _spread(one: ColumnFigures) -> Markup:
    """Where the middle 90 % and the median lie between the least and the most value."""
    if not one.quantiles or one.is_constant:
        return Markup("")
    least, low, middle, high, most = one.quantiles
    left, mark, right = ((value - least) / (most - least) * 100 for value in (low, middle, high))
    return Markup(
        '<span class="spread"><i style="left:{:.0f}%;width:{:.0f}%"></i><b style="left:{:.0f}%"></b></span>'
    ).format(left, right - left, mark)
