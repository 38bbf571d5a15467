"""The read-only web page with /metrics and /healthz: what is stored, how whole it is and what moves."""
