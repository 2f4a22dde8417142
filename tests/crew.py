"""A crew of threads, each with its own warm connection in the application's role, that starts work at one shot."""

import queue
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from django.conf import settings
from django.db import connection

WAIT_SECONDS = 60


class Crew:
    """``Crew(64).at_once(functions)`` runs one function a thread and returns results, or the exceptions raised."""

    def __init__(self, size: int, search_path: str = "") -> None:
        self.size, self.search_path = size, search_path
        self._work: list[queue.SimpleQueue[Callable[[], Any] | None]] = [queue.SimpleQueue() for _ in range(size)]
        self._ends: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._shot = threading.Barrier(size)
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(size)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.at_once([lambda: None] * self.size)  # everybody is connected
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for work in self._work:
            work.put(None)
        for thread in self._threads:
            thread.join(WAIT_SECONDS)

    def _run(self, number: int) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SET ROLE {settings.APP_ROLE}")
                if self.search_path:
                    cursor.execute(f"SET search_path = {self.search_path}")
            while (work := self._work[number].get()) is not None:
                self._shot.wait(WAIT_SECONDS)
                try:
                    result: Any = work()
                except Exception as error:  # the test looks at it
                    result = error
                self._ends.put((number, result))
        finally:
            connection.close()

    def at_once(self, functions: Sequence[Callable[[], Any]]) -> list[Any]:
        """One function for each thread of the crew; results in their order."""
        if len(functions) != self.size:
            raise ValueError(f"a crew of {self.size} takes {self.size} functions, not {len(functions)}")
        for work, function in zip(self._work, functions, strict=True):
            work.put(function)
        results: list[Any] = [None] * self.size
        for _ in functions:
            number, result = self._ends.get(timeout=WAIT_SECONDS)
            results[number] = result
        return results
