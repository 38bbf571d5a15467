"""Alerts: what is wrong, who has been told of it, and telling it.

What belongs here: kinds, memory, messages and their way out, without Dagster. What does not: what only Dagster knows, as failed
runs, and when anybody looks (alert_automation.py).
"""
