"""Forecasts of fees, liquidity and returns: what is forecast, from what, by whom it was learned, and what came of it.

What belongs here: declarations (gas.py, liquidity.py, opportunity.py) with the way from stored tables to frames, and the three
datasets registry, predictions and outcomes. What does not: learning and judging as such (crypto_assets/forecasting).
"""
