"""What threads share is made once, by whoever asks first, and kept for those who ask next."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from crypto_assets.datasets.features.shared import KEPT, Shared


def test_threads_that_ask_at_once_get_the_one_thing_that_was_made() -> None:
    shared, gate, made = Shared(), Barrier(8), list[object]()

    def make() -> object:
        made.append(object())
        return made[-1]

    def ask(_number: int) -> object:
        gate.wait()
        return shared.once("question", make)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert len(made) == 1
    assert all(answer is made[0] for answer in answers)


def test_a_failure_is_not_kept_and_old_answers_make_room() -> None:
    shared = Shared()

    def fail() -> int:
        raise OSError("the server is gone")

    with pytest.raises(OSError, match="gone"):
        shared.once("question", fail)
    assert shared.once("question", lambda: 1) == 1
    assert shared.once("question", lambda: 2) == 1
    for number in range(KEPT):
        shared.once(number, lambda: 3)
    assert shared.once("question", lambda: 4) == 4
