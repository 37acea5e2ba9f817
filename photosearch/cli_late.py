"""The verb of late interaction: `photosearch late`."""

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
