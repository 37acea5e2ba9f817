"""The verbs about tags."""

import logging

import typer

from photosearch.cli_servers import HomeOption

tags_app = typer.Typer()


@tags_app.command()
def tags(home: HomeOption = None) -> None:
    """Stage: make a clean table of tags from titles, or by an endpoint that reads and sees."""
    from photosearch.assembly import load_settings
    from photosearch.assembly_tags import tag_catalog
    from photosearch.report import one_line, save_report

    settings = load_settings(home)
    report = tag_catalog(settings)
    save_report(settings.home.reports / "tags.json", report)
    logging.getLogger(__name__).info("tags: %s", one_line(report))
