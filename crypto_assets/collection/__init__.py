"""Collecting many markets of a venue within its limits: whose turn it is, how often, how many at once."""
