"""Forecasting: frames of decisions, baselines, learners, validation in time, and artefacts that are data.

What belongs here: everything about a forecast that needs neither database nor Dagster: arrays in, arrays and bytes out. What
does not: where frames come from and where results go (datasets/models).
"""
