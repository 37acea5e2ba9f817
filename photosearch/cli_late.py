"""The verbs of late interaction: `photosearch late`, `photosearch maps`."""

from pathlib import Path
from typing import Annotated

import typer

from photosearch.cli_servers import HomeOption

late_app = typer.Typer()


@late_app.command()
def late(home: HomeOption = None) -> None:
    """Learn how the candidate's tokens are shortened for late interaction."""
    from photosearch.assembly import load_settings
    from photosearch.report import one_line, save_report
    from training.late_interaction import learn_short_tokens

    settings = load_settings(home)
    report = learn_short_tokens(settings.home, settings.params.late_interaction)
    save_report(settings.home.reports / "late.json", report)
    typer.echo(one_line(report))


@late_app.command()
def maps(
    photo: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    to: Annotated[Path, typer.Argument(help="The folder for attention.png and matches.png.")],
    beside: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A photo to find like parts on."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Draw where the live model looks on a photo, and which part of it matches which of another."""
    from photosearch.assembly import load_settings
    from photosearch.assembly_late import draw_maps
    from photosearch.catalog.images import open_photo
    from photosearch.release import live_release

    settings = load_settings(home)
    release = live_release(settings.home.releases)
    opened = [open_photo(file.read_bytes(), name=str(file)) for file in (photo, beside) if file]
    other = opened[1] if beside else None
    to.mkdir(parents=True, exist_ok=True)
    for name, png in draw_maps(release, settings.services, opened[0], other).items():
        (to / name).write_bytes(png)
        typer.echo(to / name)
