"""What the database knows of itself, as rows of figures: read once for the page and for /metrics."""
