"""What tests of alerts are given: a receiver of webhooks."""

from collections.abc import Iterator

import pytest

from crypto_assets_tests.alerts.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made
