"""The Redis over which runs are handed to workers: whether it may be used, and what Celery is told about it.

What belongs here: that, the same for those who send and those who receive. What does not: sending (launcher.py), receiving
(worker.py) and the Redis of latest values, which may forget what this one must not.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.settings import Settings

QUEUE = "runs"
SETTING = "CRYPTO_ASSETS_BROKER_URL"
# The longest run is the stream's, which is followed by another after a day (stream.max_age_hours): a message that nobody
# has acknowledged for two was left by a worker that died. Its run has failed and was run again long before, by the pulse
# (pulse.py), and Dagster ignores what is delivered then.
VISIBILITY_SECONDS = 2 * 24 * 3600
_CONNECT_SECONDS = 10
_SOCKET_SECONDS = 30  # a broker that vanished without a word is noticed, instead of waited for


class BrokerRefused(CryptoAssetsError):
    """No broker is named, or it lies on another machine and nobody said that it may."""


@dataclass(frozen=True)
class Broker:
    """A Redis, and the part of it that belongs to one profile.

    Args:
        url: With its password.
        profile: Whose runs; stands in every key.
    """

    url: SecretStr
    profile: str

    @property
    def place(self) -> str:
        """host:port/number, without the password, for messages."""
        parts = urlsplit(self.url.get_secret_value())
        return f"{parts.hostname}:{parts.port or 6379}/{parts.path.strip('/') or 0}"

    @property
    def key_prefix(self) -> str:
        """What every key of the queue begins with."""
        return f"crypto_assets:{self.profile}:celery:"


def broker_of(settings: Settings) -> Broker:
    """The broker that the environment names.

    Raises:
        BrokerRefused: none is named, or it is not on this machine and CRYPTO_ASSETS_BROKER_REMOTE does not allow that.
    """
    if settings.broker_url is None:
        raise BrokerRefused(
            f"{SETTING} is not set, so there is no queue for runs",
            way_out="Name a Redis, as redis://127.0.0.1:6379/1; docs/scale_out.md says how.",
        )
    broker = Broker(settings.broker_url, settings.profile)
    if not settings.broker_remote and not _is_loopback(settings.broker_url):
        raise BrokerRefused(
            f"The broker {broker.place} is not on this machine: who can write there starts runs here",
            way_out="Set CRYPTO_ASSETS_BROKER_REMOTE=1 where it has a password and lies behind a firewall.",
        )
    return broker


def celery_settings(broker: Broker) -> dict[str, object]:
    """What Celery is told on both ends; messages are JSON and nothing else."""
    return {
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,  # how a run goes stands in Dagster's storage
        "task_default_queue": QUEUE,
        "task_acks_late": True,
        "worker_redirect_stdouts": False,  # a run writes its own log
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,  # a run that waits is anybody's
        "worker_max_tasks_per_child": 1,  # a process a run: what one run leaves in memory no other one meets
        "worker_proc_alive_timeout": 60,  # on a busy machine a fork takes longer than the four seconds of the default
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_SECONDS,
            "global_keyprefix": broker.key_prefix,
            "socket_keepalive": True,
            "socket_timeout": _SOCKET_SECONDS,
            "socket_connect_timeout": _CONNECT_SECONDS,
            "max_retries": 3,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 0.5,
        },
    }


def _is_loopback(url: SecretStr) -> bool:
    host = urlsplit(url.get_secret_value()).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
