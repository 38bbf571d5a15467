"""Tables that can be read at any width: each cell says under which heading it stands, and names stay in one piece.

What belongs here: that. What does not: how it looks (assets/site.css).
"""

from __future__ import annotations

import re
from html import escape
from itertools import cycle

_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)


def label_cells(html: str) -> str:
    """The page with the name of its column on each cell of a table; a first column without a name stays without."""
    return _TABLE.sub(lambda found: _labelled(found.group()), html)


def _labelled(table: str) -> str:
    headings = [re.sub(r"<[^>]+>", "", one).strip() for one in re.findall(r"<th[^>]*>(.*?)</th>", table, re.DOTALL)]
    if not headings:
        return table
    table = re.sub(r"<code>(?=[^\s<]+</code>)", '<code class="name">', table)
    labels = cycle(headings)
    return re.sub(r"<td(?=[ >])", lambda _: f'<td data-label="{escape(next(labels))}"', table)
