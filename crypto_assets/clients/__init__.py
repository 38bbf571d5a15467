"""One provider a file: ask, page, parse, check. No Dagster, no SQL."""
