"""Scoring texts: how good or bad a headline sounds. Knows neither Dagster nor SQL."""
