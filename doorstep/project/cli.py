"""The command line: ``doorstep COMMAND``."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "doorstep.project.settings")


def _setup() -> None:
    import django

    django.setup()


def _setup_with_tables() -> None:
    """Like :func:`_setup`, for commands that read: an empty database is said in words."""
    _setup()
    from django.db import connection

    if "ledger_account" not in connection.introspection.table_names():
        raise click.ClickException("The database is empty. Run `doorstep migrate`, or `make demo` for the story.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="doorstep")
def main() -> None:
    """家门口 Doorstep: the services of a city at its people's doorstep."""


@main.command()
def migrate() -> None:
    """Bring the database schema up to date and renew the application role's privileges."""
    _setup()
    from doorstep.project.migrating import migrate as run

    run(verbosity=1)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def manage(arguments: tuple[str, ...]) -> None:
    """Any Django management command, as the owner of the tables."""
    _setup()
    from django.core.management import execute_from_command_line

    from doorstep.project.migrating import as_owner

    with as_owner():
        execute_from_command_line(["doorstep manage", *arguments])


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--workers", default=2, show_default=True, help="server processes")
def serve(host: str, port: int, workers: int) -> None:
    """Serve the site, with the background worker beside it, until Ctrl-C."""
    _setup()
    from doorstep.project.serving import run

    sys.exit(run(host=host, port=port, workers=workers))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--scale", type=click.Choice(["small", "full"]), default="small", show_default=True)
@click.option("--fresh", is_flag=True, help="empty an earlier demo's database first")
def demo(host: str, port: int, scale: str, fresh: bool) -> None:
    """Replay the page's story and serve it, with one-click sign-in for each role."""
    os.environ["DOORSTEP_DEMO"] = "1"
    _setup()
    from doorstep.project.demo import prepare
    from doorstep.project.serving import run

    prepare(scale=scale, fresh=fresh)
    sys.exit(run(host=host, port=port, workers=2, announce_demo=True))


@main.command()
@click.option("--check", is_flag=True, help="recompute the page's figures from the records; exit 1 when one differs")
@click.option("--scale", type=click.Choice(["small", "full"]), default="small", show_default=True)
@click.option("--json", "as_json", is_flag=True)
def story(check: bool, scale: str, as_json: bool) -> None:
    """Replay the page's story through actions, or check its figures."""
    if check:
        _setup_with_tables()
    else:
        _setup()
    from doorstep.project import demo as telling

    if not check:
        telling.prepare(scale=scale, fresh=False)
        return
    figures = telling.figures()
    ok = bool(figures) and all(figure["ok"] for figure in figures)
    _print({"figures": figures, "ok": ok}, as_json)
    sys.exit(0 if ok else 1)


@main.command()
@click.option("--json", "as_json", is_flag=True)
def verify(as_json: bool) -> None:
    """Prove the ledger, the entitlements and the audit log; exit 1 when a finding is there."""
    _setup_with_tables()
    from doorstep.project.verifying import report

    result = report()
    _print(result, as_json)
    sys.exit(0 if result["ok"] else 1)


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
def backup(path: Path) -> None:
    """Write database, files and made secrets into one archive at PATH."""
    _setup()
    from doorstep.project.backups import write

    click.echo(write(path))


@main.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--yes", is_flag=True, help="replace what is in the database now")
def restore(path: Path, yes: bool) -> None:
    """Put an archive made by ``doorstep backup`` back."""
    _setup()
    from doorstep.project.backups import read

    if not yes:
        click.confirm("This replaces everything in the database. Go on?", abort=True)
    click.echo(read(path))


@main.command()
def check() -> None:
    """Static checks: Django's own for deployment, migrations complete, translations complete."""
    # What a production site would have set, so that only what the code gets wrong is reported.
    os.environ.setdefault("DOORSTEP_HTTPS", "1")
    os.environ.setdefault("DOORSTEP_EMAIL_URL", "smtp://mail.example:587")
    _setup()
    from django.core.management import call_command

    from doorstep.project.messages import missing

    call_command("check", deploy=True, fail_level="WARNING")
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    absent = missing()
    for text in absent:
        click.echo(f"no English for: {text}", err=True)
    sys.exit(1 if absent else 0)


@main.command()
@click.option("--compile", "only_compile", is_flag=True, help="compile the catalogues, change no source")
def messages(only_compile: bool) -> None:
    """Collect texts, merge the English translations and compile them."""
    _setup()
    from doorstep.project.messages import compile_catalogues, renew

    if not only_compile:
        renew()
    compile_catalogues()


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False, indent=1))
        return
    for key, value in result.items():
        if isinstance(value, list):
            click.echo(f"{key}:")
            for item in value:
                click.echo(f"  {item}")
        else:
            click.echo(f"{key}: {value}")


if __name__ == "__main__":
    main()
