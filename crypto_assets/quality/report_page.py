"""The quality report as a page: its template, which needs nothing else to be shown.

What belongs here: HTML and styles. What does not: what is shown (report.py).
"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>crypto_assets quality</title><style>
body{font:15px/1.5 system-ui,sans-serif;margin:2.5rem auto;max-width:70rem;padding:0 1rem;color:#1b1b29;background:#fbfbfe}
h1{font-size:1.6rem;margin-bottom:0}h2{font-size:1.15rem;margin-top:2.2rem}p.sub{color:#667;margin-top:.2rem}
table{border-collapse:collapse;width:100%;background:#fff;border:1px solid #e4e4ef;border-radius:8px;overflow:hidden}
th,td{padding:.45rem .7rem;text-align:left;border-bottom:1px solid #eeeef5;vertical-align:top}
th{background:#f3f3fa;font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}
.ok{color:#127a43}.bad{color:#b3261e;font-weight:600}.warn{color:#9a6700}.none{color:#889}
.id{overflow-wrap:anywhere}.map svg{width:100%;height:auto}td svg{width:9rem;height:1.6rem}
.bar{display:inline-block;height:.55rem;border-radius:3px;background:#4f43dd;margin-right:.4rem}
</style></head><body>
<h1>Data quality</h1><p class="sub">{{ report.made_at.strftime("%Y-%m-%d %H:%M") }} UTC ·
{{ report.checks|length }} checks · {{ rows|length }} series</p>
<h2>Checks</h2><table><tr><th>dataset</th><th>check</th><th>result</th><th>found</th><th>when (UTC)</th></tr>
{% for c in report.checks %}<tr><td>{{ c.dataset }}</td><td>{{ c.check }}</td>
<td>{% if c.passed is none %}<span class="none">never run</span>{% elif c.passed %}<span class="ok">holds</span>
{% elif c.is_error %}<span class="bad">fails</span>{% else %}<span class="warn">warns</span>{% endif %}</td>
<td>{{ c.told }}</td><td>{{ c.checked_at.strftime("%Y-%m-%d %H:%M") if c.checked_at else "–" }}</td></tr>
{% endfor %}</table>
{% for dataset, picture in report.maps.items() %}
<h2>Coverage of {{ dataset }}</h2><p class="sub">Which bars are there, and why others are not. Where several states share a
cell, the worst is shown.</p><div class="map">{{ picture|safe }}</div>
{% endfor %}
{% if gaps %}<h2>Gaps</h2><table><tr><th>dataset</th><th>venue</th><th>state</th><th>gaps</th><th>bars</th></tr>
{% for g in gaps %}<tr><td>{{ g.dataset }}</td><td>{{ g.venue }}</td><td>{{ g.state|replace("_", " ") }}</td>
<td class="n">{{ "{:,}".format(g.gaps) }}</td><td class="n">{{ "{:,.0f}".format(g.bars) }}</td></tr>
{% endfor %}</table>{% endif %}
<h2>Scores by dataset</h2><table><tr><th>dataset</th><th>series</th><th>overall</th><th>accuracy</th><th>completeness</th>
<th>timeliness</th><th>longest lag</th></tr>
{% for r in datasets %}<tr><td>{{ r.dataset }}</td><td class="n">{{ r.series }}</td><td class="n">{{ r.overall|score }}</td>
<td class="n">{{ r.accuracy|score }}</td><td class="n">{{ r.completeness|score }}</td>
<td class="n">{{ r.timeliness|score }}</td><td class="n">{{ r.lag_seconds|age }}</td></tr>
{% endfor %}</table>
<h2>Scores</h2><p class="sub">Below {{ report.bounds.warn_below }} a score warns, below {{ report.bounds.fail_below }} it
fails. The line is the overall score of the last runs.</p>
<table><tr><th>series</th><th>overall</th><th>trend</th><th>accuracy</th><th>completeness</th><th>timeliness</th>
<th>lag</th><th>window</th></tr>
{% for r in rows %}<tr><td>{{ r.dataset }} · {{ r.venue }} <span class="id">{{ r.symbol }}</span> {{ r.timeframe }}</td>
{% set verdict = report.verdict(r.overall) %}
<td><span class="bar" style="width:{{ r.overall|bar }}px"></span>
<span class="{{ {"holds": "ok", "warns": "warn", "fails": "bad"}.get(verdict, "none") }}">{{ r.overall|score }}</span></td>
<td>{{ report.trend(r)|trend }}</td>
<td class="n">{{ r.accuracy|score }}</td><td class="n">{{ r.completeness|score }}</td>
<td class="n">{{ r.timeliness|score }}</td><td class="n">{{ r.lag_seconds|age }}</td>
<td style="white-space:nowrap">{{ r.window_start.strftime("%Y-%m-%d") }} to {{ r.window_end.strftime("%Y-%m-%d") }}</td></tr>
{% endfor %}</table></body></html>
"""
