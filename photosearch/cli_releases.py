"""The verbs from a verdict to what is live: gate, release, rollback, index, package."""

from typing import Annotated

import typer

from photosearch.cli_servers import HomeOption

releases_app = typer.Typer()


@releases_app.command()
def gate(
    override_by: Annotated[
        str | None, typer.Option(help="Promote a refused candidate all the same: your name.")
    ] = None,
    because: Annotated[str | None, typer.Option(help="Why it is overridden.")] = None,
    home: HomeOption = None,
) -> None:
    """Judge the candidate against the champion, or override the verdict."""
    from photosearch.assembly import judge_candidate, load_settings
    from photosearch.evaluation.verdict_file import as_markdown, override_verdict

    settings = load_settings(home)
    if override_by is None and because is None:
        typer.echo(as_markdown(judge_candidate(settings)))
        return
    from flows.versions import commit

    verdict = override_verdict(settings.home, by=override_by or "", because=because or "")
    commit(settings.home, f"Override the gate for {verdict.candidate_id}: {override_by}")
    typer.echo(as_markdown(verdict))


@releases_app.command()
def release(home: HomeOption = None) -> None:
    """Make the promoted candidate a release, with its index, and switch to it."""
    from flows.release_model import release_model
    from photosearch.assembly import find_home

    release_model(find_home(home).root)


@releases_app.command()
def rollback(
    to: Annotated[str | None, typer.Option(help="Default: what was live before.")] = None,
    because: Annotated[str, typer.Option(help="Kept beside the switch.")] = "",
    home: HomeOption = None,
) -> None:
    """Make an earlier release live again, and restart the page if one was left running."""
    from flows.package import restart_page
    from photosearch.assembly import find_home
    from photosearch.assembly_serving import point_alias
    from photosearch.release import roll_back
    from photosearch.release_lock import alone
    from photosearch.settings import load_services

    found = find_home(home)
    with alone(found.releases, doing="rolling back"):
        live = roll_back(found.releases, to=to, because=because)
        point_alias(live, load_services())
    typer.echo(f"live     {live.manifest.release}   (model {live.manifest.model_id})")
    if address := restart_page(found):
        typer.echo(f"page     {address}")


@releases_app.command()
def refresh(
    source: Annotated[
        str | None, typer.Option("--source", help="Pulled and curated first; as for `pull`.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Bring the live index up to date: new, changed and deleted cards; switch to it."""
    from flows.refresh_index import refresh_index
    from photosearch.assembly import find_home

    refresh_index(find_home(home).root, source)


@releases_app.command()
def index(home: HomeOption = None) -> None:
    """Build the live model's index anew over the curated photos and switch to it."""
    from flows.refresh_index import refresh_index
    from photosearch.assembly import find_home

    refresh_index(find_home(home).root, is_anew=True)


@releases_app.command()
def package(home: HomeOption = None) -> None:
    """Build the bento of the live release."""
    from flows.package import build_bento
    from photosearch.assembly import load_settings

    typer.echo(build_bento(load_settings(home).home))
