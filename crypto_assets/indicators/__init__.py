"""Technical indicators as declarations and pure functions over arrays of bars; no table, no SQL, no Dagster."""
