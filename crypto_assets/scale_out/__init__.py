"""Runs on several machines: a Celery queue in Redis between Dagster's daemon and the workers that execute runs."""
