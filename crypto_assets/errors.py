"""The root of every error this package raises on purpose.

What belongs here: the one class whose text a user reads. What does not: the errors of a provider, of the warehouse or
of the universe; they are declared beside the code that raises them.
"""


class CryptoAssetsError(Exception):
    """A failure that we understand: what is wrong, and what the reader can do about it.

    Args:
        problem: What was expected and what came instead, in one sentence without a trailing full stop.
        way_out: What to do next, in one sentence; empty where nothing can be done.
    """

    def __init__(self, problem: str, *, way_out: str = "") -> None:
        super().__init__(problem, way_out)
        self.problem = problem
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.problem}. {self.way_out}".strip() if self.way_out else self.problem

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.problem, self.way_out, self.__dict__))


def _rebuild(cls: type[CryptoAssetsError], problem: str, way_out: str, state: dict[str, object]) -> CryptoAssetsError:
    # Errors cross process borders (worker pools pickle them); keyword-only arguments need this door.
    error = cls.__new__(cls)
    CryptoAssetsError.__init__(error, problem, way_out=way_out)
    error.__dict__.update(state)
    return error
