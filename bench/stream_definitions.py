"""The stream's job and sensor alone, for a daemon that does nothing else.

What belongs here: that. What does not: any measuring.
"""

import dagster as dg

from crypto_assets.resources import UniverseFile, warehouse_of
from crypto_assets.settings import load_settings
from crypto_assets.stream_automation import book_ticker_stream_job, stream_resources, stream_sensors


@dg.definitions
def defs() -> dg.Definitions:
    settings = load_settings()
    warehouse = warehouse_of(settings)
    return dg.Definitions(
        jobs=[book_ticker_stream_job],
        sensors=stream_sensors(),
        resources={
            "warehouse": warehouse,
            "universe_file": UniverseFile(settings.universe_file, warehouse),
            **stream_resources(settings),
        },
        executor=dg.in_process_executor,
    )
