"""A Redis for the tests of this package."""

from __future__ import annotations

from crypto_assets_tests.latest.redis_server import locked_redis, mortal_redis, redis, redis_of_all

__all__ = ["locked_redis", "mortal_redis", "redis", "redis_of_all"]
