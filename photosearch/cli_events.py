"""The verbs about the log of what shoppers did: events, events prune."""

from typing import Annotated

import typer

from photosearch.cli_servers import HomeOption

events_app = typer.Typer(help="Tell what shoppers did, or forget it.", invoke_without_command=True)


@events_app.callback()
def events(
    context: typer.Context,
    home: HomeOption = None,
    days: Annotated[int, typer.Option(min=1, help="Newest days to tell.")] = 14,
) -> None:
    """Tell how many events of each kind, and how many answers, each day (UTC) brought."""
    if context.invoked_subcommand is not None:
        return
    from contextlib import closing

    from photosearch.assembly import load_settings
    from photosearch.assembly_events import events_of
    from photosearch.feedback.day_counts import as_text

    with closing(events_of(load_settings(home))) as store:
        typer.echo(f"{store.place}\n\n{as_text(store.counts(), days=days)}")


@events_app.command()
def prune(home: HomeOption = None) -> None:
    """Remove events and answers older than PHOTOSEARCH_EVENTS_KEEP_DAYS (180), for ever."""
    from photosearch.assembly import load_settings
    from photosearch.assembly_events import prune_events

    settings = load_settings(home)
    pruned = prune_events(settings)
    typer.echo(
        f"{pruned.events} events and {pruned.answers} answers older than "
        f"{settings.services.events_keep_days} days removed"
    )
