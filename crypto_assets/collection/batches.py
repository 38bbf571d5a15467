"""Pages gathered into batches, so that a transaction is worth its commit.

What belongs here: the gathering. What does not: fetching pages and writing batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from crypto_assets.clients.failures import ProviderError


def gathered[P](pages: Iterator[P], rows_of: Callable[[P], int], most_rows: int) -> Iterator[list[P]]:
    """Pages gathered until they hold a batch; those before a failure are handed on before it is raised.

    Args:
        pages: As they come from the venue.
        rows_of: How many rows a page has.
        most_rows: A batch ends with the page that brings it to so many.

    Raises:
        ProviderError: what ended the pages.
    """
    batch: list[P] = []
    rows = 0
    try:
        for page in pages:
            batch.append(page)
            rows += rows_of(page)
            if rows >= most_rows:
                yield batch
                batch, rows = [], 0
    except ProviderError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
