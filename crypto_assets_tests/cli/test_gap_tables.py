"""How gaps are printed: of bars and of events, of markets and of pools."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from crypto_assets.cli.console import OUT
from crypto_assets.cli.gap_tables import print_gaps

POOL = "Czfq3xZZDmsdGdUyrNLtRhGc47cXcZtLG4crryfu44zE"


def _printed(timeframe: str, width: int) -> list[list[str]]:
    row = {
        "venue": "solana", "symbol": POOL, "timeframe": timeframe, "state": "missing", "why": "[nobody] knows",
        "gap_start": pd.Timestamp(datetime(2024, 1, 1, tzinfo=UTC)),
        "gap_end": pd.Timestamp(datetime(2024, 1, 3, tzinfo=UTC)),
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OUT, "width", width)  # it has read the environment when it was made
        with OUT.capture() as captured:
            print_gaps(pd.DataFrame([row]))
    return [[cell.strip() for cell in line.split("│")] for line in captured.get().splitlines() if "│" in line]


def test_a_pools_gap_has_its_bars_and_its_whole_address() -> None:
    [row] = _printed("12h", 200)
    assert row[1:-1] == [
        f"solana {POOL} 12h", "2024-01-01 00:00", "2024-01-03 00:00", "4", "missing", "[nobody] knows"
    ]  # fmt: skip


def test_on_a_narrow_screen_an_address_goes_on_in_the_next_line() -> None:
    series = "".join(row[1] for row in _printed("12h", 80))
    assert series.replace(" ", "") == f"solana{POOL}12h"


def test_a_gap_of_events_has_no_number_of_bars() -> None:
    [row] = _printed("tick", 200)
    assert row[4] == "–"
