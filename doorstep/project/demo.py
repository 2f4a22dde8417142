"""Telling the page's story, and checking its figures."""

from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from doorstep.kernel.audit.sealing import seal
from doorstep.kernel.common import clock
from doorstep.kernel.common.rooms import all_rooms
from doorstep.kernel.people.models import Person
from doorstep.project.migrating import as_owner, migrate


def told() -> bool:
    """Has the story been told in this database?"""
    return Person.objects.filter(username__startswith="demo-").exists()


def prepare(*, scale: str, fresh: bool) -> None:
    """Make the demo's database ready: migrate, and tell the story unless it has been told.

    ``fresh`` empties the database first; a database with people but without a story is never touched.
    """
    migrate()
    if told() and fresh:
        _empty()
        migrate()
    if told():
        click.echo("The story has been told here already; serving what is there (--fresh starts anew).")
        return
    if Person.objects.exists():
        raise click.ClickException("This database holds real people: the demo does not mix with them.")
    tell(scale=scale)


def _empty() -> None:
    from django.db import connection

    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schema = connection.ops.quote_name(cursor.fetchone()[0])
        cursor.execute(f"DROP SCHEMA {schema} CASCADE")
        cursor.execute(f"CREATE SCHEMA {schema}")


def tell(*, scale: str) -> None:
    """Replay every room's story with a progress bar, then seal the log."""
    columns = (
        TextColumn("{task.fields[room]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns) as progress:
        for room in all_rooms():
            if room.story is None:
                continue
            task = progress.add_task("", total=1, room=str(room.title))

            def step(text: str, done: int, total: int, task: Any = task) -> None:
                progress.update(task, description=text, completed=done, total=total)

            room.story(scale, step)
    while seal(clock.now()) is not None:
        continue


def figures() -> list[dict[str, Any]]:
    """The page's figures as the records give them now, in the page's order."""
    found = [figure for room in all_rooms() if room.figures for figure in room.figures()]
    return [
        {
            "n": figure.number,
            "label": str(figure.label),
            "page": figure.page,
            "computed": figure.computed,
            "evidence": figure.evidence,
            "ok": figure.holds,
        }
        for figure in sorted(found, key=lambda figure: figure.number)
    ]
