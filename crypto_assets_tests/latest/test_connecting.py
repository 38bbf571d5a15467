"""What is said of an address that cannot be used: by the setting that holds it, and without its password."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from redis.exceptions import AuthenticationError

from crypto_assets.latest.connecting import SETTING, RedisAway, RedisRefused, dial, named

BROKER = "CRYPTO_ASSETS_BROKER_URL"
URL = SecretStr("redis://:canary@127.0.0.1:6379/1")


@pytest.mark.parametrize("setting", [SETTING, BROKER])
def test_the_way_out_names_the_setting_that_holds_the_address(setting: str) -> None:
    with pytest.raises(RedisAway) as caught:
        dial(SecretStr("redis://:canary@127.0.0.1:port/1"), setting=setting)
    refused = named(AuthenticationError("invalid password canary"), URL, setting=setting)
    assert isinstance(refused, RedisRefused)
    for error in (caught.value, refused):
        assert setting in error.way_out
        assert "canary" not in str(error)


def test_unless_told_it_is_the_one_of_latest_values() -> None:
    assert SETTING == "CRYPTO_ASSETS_REDIS_URL"
    assert SETTING in named(AuthenticationError("no"), URL).way_out
