"""The database keeps the truth; this turns the name of a violated constraint into a named refusal."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from doorstep.kernel.common.errors import Problem


@contextmanager
def explained(**by_constraint: type[Problem]) -> Iterator[None]:
    """Run the block in a savepoint; a violated constraint named here is raised as its problem, others as they are."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        for name, problem in by_constraint.items():
            if name in str(error):
                raise problem from error
        raise
