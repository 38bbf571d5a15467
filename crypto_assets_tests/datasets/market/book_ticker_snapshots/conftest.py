import pytest

from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import without_quotes


@pytest.fixture
def warehouse(shared_warehouse: Warehouse) -> Warehouse:
    """The module's database without any quote: emptying it takes a tenth of making another."""
    without_quotes(shared_warehouse)
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM market.ohlcv")
        cursor.execute("DELETE FROM quality.scores")
    return shared_warehouse
