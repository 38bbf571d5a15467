"""Macroeconomic series, by vintage."""
