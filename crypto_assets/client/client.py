"""The client: connect, ask about the past in frames, Arrow tables or parts, ask what is newest, follow it.

What belongs here: putting the parts together. What does not: the questions themselves (history.py, newest.py, watching.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pandas as pd
import pyarrow as pa
from pydantic import SecretStr
from sqlalchemy.dialects.postgresql.base import PGDialect

from crypto_assets.client.connecting import reader_of, settings_of, url_of
from crypto_assets.client.history import History
from crypto_assets.client.newest import Found, Newest
from crypto_assets.client.questions import dataset_names, table_of
from crypto_assets.client.rendering import CHUNK_ROWS, MOST_ROWS, Source, as_arrow, as_chunks, as_frame
from crypto_assets.client.watching import POLL_SECONDS, Follower
from crypto_assets.latest.asking import LatestReader
from crypto_assets.latest.values import (
    LatestBar,
    LatestBook,
    LatestPrediction,
    LatestQuote,
    LatestScore,
    LatestTicker,
    LatestValue,
)
from crypto_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from crypto_assets.training_sets.loading import TrainingSet

_DIALECT = PGDialect()  # type: ignore[no-untyped-call]


class Client(History[pd.DataFrame]):
    """Reads one profile's data; a context manager, for one thread at a time. `connect` makes it.

    Methods of its own answer with frames; `arrow` and `chunks` have the same methods.

    Args:
        warehouse: Whose sessions can only read.
        redis: Asked first for what is newest; None asks PostgreSQL alone.
        profile: Whose values Redis is asked for.
        most_rows: A larger answer is refused.
        chunk_rows: Of one part.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        redis: SecretStr | None,
        profile: str,
        *,
        most_rows: int = MOST_ROWS,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        source = Source(warehouse, most_rows=most_rows, chunk_rows=chunk_rows)
        super().__init__(source, as_frame)
        self._redis_url = redis
        self._profile = profile
        self._redis = self._reader()
        self._newest = Newest(source, self._redis)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.place}, profile {self._profile})"

    def close(self) -> None:
        """Give the connections back."""
        if self._redis is not None:
            self._redis.close()

    @property
    def place(self) -> str:
        """host:port/database, without user and password."""
        return self._source.warehouse.place

    @property
    def arrow(self) -> History[pa.Table]:
        """The same questions, answered with Arrow tables; numeric columns are text, exact."""
        return History(self._source, as_arrow)

    @property
    def chunks(self) -> History[Iterator[pd.DataFrame]]:
        """The same questions, answered part by part in the order of the key, so that no answer is too large."""
        return History(self._source, as_chunks)

    def datasets(self) -> list[str]:
        """Names of all datasets, as market/ohlcv."""
        return dataset_names()

    def catalog(self, dataset: str) -> pd.DataFrame:
        """What the columns of a dataset mean: column, type, unit, meaning, is_key, is_nullable.

        Raises:
            DatasetUnknown: naming what comes near.
        """
        table = table_of(dataset)
        rows = [
            {
                "column": column.name,
                "type": column.type.compile(_DIALECT).lower(),
                "unit": str(column.info.get("unit", "")),
                "meaning": (column.comment or "").removesuffix(f" [{column.info.get('unit', '')}]"),
                "is_key": column.primary_key,
                "is_nullable": bool(column.nullable),
            }
            for column in table.columns
        ]
        return pd.DataFrame(rows)

    def training_set(self, name: str, *, place: str | None = None) -> TrainingSet:
        """A frozen training set, whose `frame()` and `arrow()` give its rows; no file is parsed before its hash was right.

        Args:
            name: As `crypto-assets dataset list` shows it.
            place: Folder or address of the profile's sets, where it is not the environment's.

        Raises:
            CryptoAssetsError: as `crypto_assets.training_sets.loading.load` says.
        """
        from crypto_assets.training_sets.loading import load  # noqa: PLC0415 - Parquet and what rebuilds sets: seldom asked for

        return load(name, settings=settings_of(self._profile), warehouse=self._source.warehouse, place=place)

    def latest_quote(self, venue: str, symbol: str) -> Found[LatestQuote] | None:
        """A market's best prices now; None where it has none.

        Raises:
            NameUnknown: nothing is stored under that name, here and for the others below.
            DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`, where Redis has no answer; so below.
        """
        return self._newest.get(LatestQuote, venue, symbol)

    def latest_book(self, venue: str, symbol: str) -> Found[LatestBook] | None:
        """A market's newest order book, every level with its own digits."""
        return self._newest.get(LatestBook, venue, symbol)

    def latest_ticker(self, venue: str, symbol: str) -> Found[LatestTicker] | None:
        """A market's last 24 hours."""
        return self._newest.get(LatestTicker, venue, symbol)

    def latest_bar(self, venue: str, symbol: str, timeframe: str = "1m") -> Found[LatestBar] | None:
        """A market's newest closed bar."""
        return self._newest.get(LatestBar, venue, symbol, timeframe)

    def latest_prediction(self, model: str, domain: str, series: str) -> Found[LatestPrediction] | None:
        """What the champion of a forecast said last about a series."""
        return self._newest.get(LatestPrediction, model, domain, series)

    def latest_score(self, scorer: str, asset: str) -> Found[LatestScore] | None:
        """What a scorer makes of the newest headline about a currency; the empty text is the market as a whole."""
        return self._newest.get(LatestScore, scorer, asset)

    def watch[V: LatestValue](
        self, kind: type[V], *name: str, within: timedelta | None = None, poll_seconds: float = POLL_SECONDS
    ) -> Iterator[Found[V]]:
        """Values of a kind as they come from now on, each newer than the one before of the same name.

        Redis tells them; while there is none, or it is away, PostgreSQL is asked again and again.

        Args:
            kind: As LatestQuote.
            name: All parts of a value's name, as "mexc", "BTC/USDT"; or the first of them; or none for all.
            within: Ends after so long; None goes on until the caller stops.
            poll_seconds: Between questions to PostgreSQL.

        Raises:
            NameUnknown: nothing is stored under that name.
            QuestionRefused: no kind of value, or more parts than its names have.
            DatabaseUnreachable: neither Redis nor PostgreSQL answers; at the beginning, PostgreSQL does not, which knows names.
            NotMigrated, ReadFailed: PostgreSQL answers otherwise than it should.
        """
        follower = Follower(self._source, self._reader(), kind, name, poll_seconds=poll_seconds)
        return follower.values(None if within is None else within.total_seconds())

    def _reader(self) -> LatestReader | None:
        return None if self._redis_url is None else LatestReader(self._redis_url, self._profile)


def connect(
    url: str | SecretStr | None = None,
    *,
    profile: str | None = None,
    redis: str | SecretStr | None = None,
    most_rows: int = MOST_ROWS,
    chunk_rows: int = CHUNK_ROWS,
) -> Client:
    """A client that can read and change nothing.

    Args:
        url: `postgresql://user:password@host:port/database`; None for what the environment names, or the embedded server.
        profile: Which set of data; None for the environment's, which is live unless it says otherwise.
        redis: `redis://…`, asked first for what is newest; empty for none. None for the environment's, unless `url` is given:
            whoever names the one names the other.
        most_rows: A larger answer is refused; see `Client.chunks`.
        chunk_rows: Rows of one part of `Client.chunks`.

    Raises:
        SettingsError: no database is named.
        NotAReader: the login may not take the reader's role.
        DatabaseUnreachable, DatabaseMissing, DatabaseTooOld: as `Warehouse.connect` says.
    """
    settings = settings_of(profile)
    named = redis if redis is not None or url is not None else settings.redis_url
    database = url_of(settings) if url is None else _secret(url)
    listened = _secret(named) if named is not None else None
    return Client(
        reader_of(database),
        listened if listened is not None and listened.get_secret_value().strip() else None,
        settings.profile,
        most_rows=most_rows,
        chunk_rows=chunk_rows,
    )


def _secret(text: str | SecretStr) -> SecretStr:
    return text if isinstance(text, SecretStr) else SecretStr(text)


__all__ = ["Client", "connect"]
