"""The newest headlines with what a scorer made of them.

What belongs here: the question and its rows. What does not: collecting and scoring (datasets/sentiment). Whatever stands in a
headline is a stranger's text: it is sent as JSON and shown as text.
"""

from __future__ import annotations

import msgspec

from crypto_assets.dashboard.read_only import asking
from crypto_assets.warehouse.connection import Warehouse

MOST_HEADLINES = 40
_HEADLINES = """
SELECT left(n.title, 500), left(n.url, 2000), left(n.publisher, 200), (extract(epoch FROM n.first_seen_at) * 1000)::bigint,
       s.score, s.label, s.model_id, coalesce(a.assets, '{}')
  FROM (SELECT * FROM sentiment.news ORDER BY first_seen_at DESC LIMIT %s) AS n
  LEFT JOIN LATERAL (SELECT avg(x.score) AS score, min(x.label) AS label, min(x.model_id) AS model_id
                       FROM sentiment.scores AS x
                      WHERE x.news_id = n.news_id
                        AND (x.model_id, x.model_version)
                          = (SELECT y.model_id, y.model_version FROM sentiment.scores AS y
                              WHERE y.news_id = n.news_id ORDER BY y.scored_at DESC LIMIT 1)) AS s
    ON true
  LEFT JOIN LATERAL (SELECT array_agg(left(m.asset, 20) ORDER BY m.asset) AS assets FROM sentiment.news_assets AS m
                      WHERE m.news_id = n.news_id) AS a ON true
 ORDER BY n.first_seen_at DESC
"""


class Headline(msgspec.Struct, frozen=True):
    """An item of news.

    Args:
        seen_at: When we first saw it, milliseconds since 1970, UTC.
        score: -1 is the worst, 1 the best; null where nobody scored it.
        scorer: Who did; empty likewise.
        assets: Currencies that it names.
    """

    title: str
    url: str
    publisher: str
    seen_at: int
    score: float | None
    label: str
    scorer: str
    assets: list[str]


def read_headlines(warehouse: Warehouse) -> list[Headline]:
    """The newest first.

    Raises:
        Unanswered, DatabaseUnreachable, NotMigrated: as for `asking`.
    """
    with asking(warehouse) as cursor:
        cursor.execute(_HEADLINES, (MOST_HEADLINES,))
        return [
            Headline(title, url, publisher, seen_at, score, label or "", scorer or "", list(assets))
            for title, url, publisher, seen_at, score, label, scorer, assets in cursor.fetchall()
        ]


__all__ = ["MOST_HEADLINES", "Headline", "read_headlines"]
