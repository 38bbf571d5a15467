"""One folder a dataset: its folder is its asset key is its table."""
