"""What the embedded PostgreSQL is told when it starts.

What belongs here: its settings and why. What does not: starting it (server.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from crypto_assets.warehouse.server_address import HOST

# For a desktop with two cores. max_wal_size: bulk loads should not checkpoint every few seconds. jit: compiling costs
# more than it saves on queries of milliseconds. max_connections: every Dagster run opens a handful.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "log_line_prefix": "%m [%p] %d ",
}
