"""The sidecar: best prices of every moment, a snapshot of them every second, and what is seen in them. Without Dagster."""
