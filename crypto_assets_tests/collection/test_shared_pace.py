"""The pace that processes share, on a real PostgreSQL: no slot twice, rest and breaker seen by all, usage added up."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import pytest

from crypto_assets.clients.breaker import BreakerState, BreakerStatus
from crypto_assets.clients.failures import BreakerOpen
from crypto_assets.clients.pacing import Usage
from crypto_assets.collection import shared_pace
from crypto_assets.collection.shared_pace import SharedPace
from crypto_assets.warehouse.connection import DatabaseUnreachable, Warehouse
from crypto_assets.warehouse.limits import read_providers

SLOW = 10.0  # a second: each slot is taken by a statement of its own
OPEN = BreakerStatus(BreakerState.OPEN, 5, 600, "down")
# Every stretch that is taken leaves a line: what the row said before and after.
_WATCH = """
CREATE TABLE taken (provider text, until timestamptz);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO taken VALUES (new.provider, new.next_slot_at); RETURN new; END $$;
CREATE TRIGGER watch AFTER INSERT OR UPDATE OF next_slot_at ON ops.provider_limits FOR EACH ROW EXECUTE FUNCTION watch();
"""


@dataclass
class Told:
    """A provider's row."""

    breaker: str
    last_error: str
    requests: int
    throttled: int
    latency_ms: float


def _row(warehouse: Warehouse, provider: str = "okx") -> Told:
    frame = read_providers(warehouse).set_index("provider")
    row = frame.loc[provider]
    return Told(
        str(row["breaker"]), str(row["last_error"]), int(row["requests"]), int(row["throttled"]), row["latency_ms"]
    )


def _watch(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_WATCH)


def _ends(warehouse: Warehouse, provider: str = "okx") -> list[float]:
    """When each stretch that was taken ends, in the order of time."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM until)::float8 FROM taken WHERE provider = %s ORDER BY 1", (provider,)
        )
        return [row[0] for row in cursor.fetchall()]


def _apart(ends: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(ends)]


def test_slots_of_one_process_follow_each_other(warehouse: Warehouse) -> None:
    pace = SharedPace(warehouse, "okx", SLOW)
    waits = [pace.reserve(1) for _ in range(5)]
    assert waits[0] == 0
    # The clock goes on between the calls, so a wait is shorter than the slots before it, never longer.
    assert all(wait <= n / SLOW + 1e-3 for n, wait in enumerate(waits))
    assert waits[4] > waits[3] > waits[2]


def test_a_provider_does_not_wait_for_another(warehouse: Warehouse) -> None:
    SharedPace(warehouse, "okx", 0.01).reserve(1)
    assert SharedPace(warehouse, "gate", 0.01).reserve(1) == 0


def test_two_paces_in_threads_never_take_the_same_time(warehouse: Warehouse) -> None:
    _watch(warehouse)
    paces = [SharedPace(warehouse, "okx", SLOW) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: paces[n % 2].reserve(1), range(80)))
    ends = _ends(warehouse)
    assert len(ends) == 80
    assert min(_apart(ends)) >= 1 / SLOW - 1e-5


_PROCESS = """
import sys, time
from pydantic import SecretStr
from crypto_assets.collection.shared_pace import SharedPace
from crypto_assets.warehouse.connection import Warehouse
pace = SharedPace(Warehouse(SecretStr(sys.argv[1])), "okx", 20.0)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(30):
    wait = pace.reserve(1)
    print(repr(time.time() + wait), flush=True)
"""


def test_two_processes_never_take_the_same_time_and_none_asks_before_its_slot(warehouse: Warehouse) -> None:
    _watch(warehouse)
    command = [sys.executable, "-c", textwrap.dedent(_PROCESS), warehouse.url.get_secret_value()]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0].split() for process in processes]
    ends = _ends(warehouse)
    assert len(ends) == 60
    assert min(_apart(ends)) >= 0.05 - 1e-5
    asked = sorted(float(moment) for moments in told for moment in moments)
    assert len(asked) == 60
    # Both clocks are this machine's. The n-th request of all is not sent before the n-th slot begins.
    assert all(moment >= end - 0.05 - 1e-3 for moment, end in zip(asked, ends, strict=True))


def test_time_that_a_statement_takes_is_not_handed_out_as_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]

    class Slow(SharedPace):
        taken = 0

        def _run(self, _statement: str, _values: dict[str, object]) -> tuple[object, ...]:
            self.taken += 1
            now[0] += 0.015  # a server far away
            return (0.0, None, "")

    monkeypatch.setattr(shared_pace.time, "monotonic", lambda: now[0])
    pace = Slow(None, "okx", 1000.0)  # type: ignore[arg-type]  # no statement reaches a database
    slots = 0
    while pace.taken < 2:
        pace.reserve(1)
        slots += 1
    assert slots - 1 <= 20  # twenty milliseconds were taken


def test_a_rest_is_honoured_by_the_others(warehouse: Warehouse) -> None:
    one, other = SharedPace(warehouse, "okx", SLOW), SharedPace(warehouse, "okx", SLOW)
    other.reserve(1)
    one.rest(300)
    assert 290 < other.reserve(1) <= 300
    one.rest(10)  # a shorter one changes nothing
    assert one.reserve(1) > 290


def test_an_open_breaker_is_seen_by_the_others_and_gone_after_it_closes(warehouse: Warehouse) -> None:
    one, other = SharedPace(warehouse, "okx", SLOW), SharedPace(warehouse, "okx", SLOW)
    one.tell(OPEN)
    with pytest.raises(BreakerOpen, match=r"okx is not asked: .* the last failure: down"):
        other.reserve(1)
    assert SharedPace(warehouse, "gate", SLOW).reserve(1) == 0
    one.tell(BreakerStatus(BreakerState.HALF_OPEN, 5, 0, "down"))
    one.reserve(1)  # the trial
    one.tell(BreakerStatus(BreakerState.CLOSED))
    assert other.reserve(1) < 60
    assert (_row(warehouse).breaker, _row(warehouse).last_error) == ("closed", "")


def test_a_rest_that_is_over_is_over_for_all_without_being_told(warehouse: Warehouse) -> None:
    one, other = SharedPace(warehouse, "okx", SLOW), SharedPace(warehouse, "okx", SLOW)
    one.tell(OPEN)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE ops.provider_limits SET open_until = clock_timestamp() - interval '1 ms'")
    assert other.reserve(1) < 60


def test_while_it_rests_nobody_takes_a_slot(warehouse: Warehouse) -> None:
    one, other = SharedPace(warehouse, "okx", 0.1), SharedPace(warehouse, "okx", 0.1)
    one.tell(OPEN)
    for _ in range(20):
        with pytest.raises(BreakerOpen):
            other.reserve(1)
    one.tell(BreakerStatus(BreakerState.CLOSED))
    assert other.reserve(1) == 0  # not behind twenty slots of ten seconds


def test_a_failure_elsewhere_does_not_end_the_rest(warehouse: Warehouse) -> None:
    one, other = SharedPace(warehouse, "okx", SLOW), SharedPace(warehouse, "okx", SLOW)
    one.tell(OPEN)
    other.tell(BreakerStatus(BreakerState.CLOSED, 1, 0, "was on its way"))
    with pytest.raises(BreakerOpen, match="down"):
        other.reserve(1)
    assert _row(warehouse).breaker == "open"


def test_failures_in_a_row_are_seen_by_the_next_process(warehouse: Warehouse) -> None:
    one, other = SharedPace(warehouse, "okx", SLOW), SharedPace(warehouse, "okx", SLOW)
    assert one.failures() == 0
    one.tell(BreakerStatus(BreakerState.CLOSED, 3, 0, "no answer"))
    assert other.failures() == 3
    one.tell(BreakerStatus(BreakerState.CLOSED))
    assert other.failures() == 0


def test_usage_of_all_adds_up_and_the_latency_is_the_newest(warehouse: Warehouse) -> None:
    paces = [SharedPace(warehouse, "okx", 1000) for _ in range(4)]
    paces[0].reserve(1)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pace: [pace.used(Usage(3, 1, 0.5)) for _ in range(5)], paces))
    paces[0].used(Usage(1, 0, 0.125))
    paces[1].used(Usage(1, 0, None))
    told = _row(warehouse)
    assert (told.requests, told.throttled, told.latency_ms) == (62, 20, 125)


def test_a_broken_connection_is_told_once_and_replaced(warehouse: Warehouse) -> None:
    pace = SharedPace(warehouse, "okx", SLOW)
    pace.reserve(1)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(DatabaseUnreachable):
        pace.rest(0)
    pace.rest(0)
    assert pace.reserve(1) < 60


@pytest.mark.parametrize("why", ["a\0b", "a\ud800b", "x" * 100_000, "%(provider)s; DROP TABLE x; --"])
def test_whatever_a_failure_says_is_kept_as_far_as_it_can_be(warehouse: Warehouse, why: str) -> None:
    SharedPace(warehouse, "okx", SLOW).tell(BreakerStatus(BreakerState.OPEN, 5, 60, why))
    kept = _row(warehouse).last_error
    assert kept.startswith(why[:1])
    assert 2 <= len(kept) <= 500


def test_between_runs_no_connection_is_held(warehouse: Warehouse) -> None:
    pace = SharedPace(warehouse, "okx", SLOW)
    pace.reserve(1)
    pace.used(Usage(1, 0, None))
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND state IN ('idle in transaction', 'active') AND backend_type = 'client backend'"
        )
        assert cursor.fetchone() == (0,)
    assert pace.reserve(1) < 60


def test_failures_are_counted_on_by_whoever_asks_next(warehouse: Warehouse) -> None:
    one, other = SharedPace(warehouse, "binance", 10), SharedPace(warehouse, "binance", 10)
    assert one.failures() == 0
    one.tell(BreakerStatus(BreakerState.CLOSED, 3, 0, "429"))
    assert other.failures() == 3
    other.tell(BreakerStatus(BreakerState.CLOSED))
    assert one.failures() == 0
    for pace in (one, other):
        pace.used(Usage(0, 0, None))
