"""News, what they sound like, and the mood of the market."""
