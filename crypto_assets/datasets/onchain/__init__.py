"""What is known of chains: daily metrics, and fees now."""
