"""The verbs that start or stop a server: pages, photos, Label Studio, the search itself."""

from pathlib import Path
from typing import Annotated

import typer

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Home folder; else PHOTOSEARCH_HOME, this folder, or the last used."
    ),
]

servers_app = typer.Typer()


@servers_app.command()
def docs(
    home: HomeOption = None,
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 4300,
    serve: Annotated[bool, typer.Option(help="Else only write the pages.")] = True,
) -> None:
    """Serve what is known of the data: checks, Data Docs, what curation left out."""
    from photosearch.assembly import load_settings
    from photosearch.curation.docs_site import docs_server, write_docs
    from photosearch.curation.known_truth import quality_of

    settings = load_settings(home)
    quality = quality_of(settings.home, settings.services.simulator_url)
    index_page = write_docs(settings.home, settings.params.curation, quality=quality)
    if not serve:
        typer.echo(index_page)
        return
    with docs_server(settings.home, host="127.0.0.1", port=port) as server:
        typer.echo(f"pages at http://127.0.0.1:{server.server_address[1]}   (stop with Ctrl-C)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


@servers_app.command()
def labels(
    home: HomeOption = None,
    port: Annotated[int, typer.Option(help="Of Label Studio.")] = 8080,
) -> None:
    """Start Label Studio on this machine, push the home's pairs, print address and login."""
    from flows.local_labeling import open_label_studio
    from photosearch.assembly import find_home

    opened = open_label_studio(find_home(home), port=port)
    typer.echo(f"\nlabel    {opened.project}   ({opened.asked} pairs wait)")
    typer.echo(f"login    {opened.email}   password {opened.password}")
    typer.echo(f"stop     kill -- -$(cat {opened.pid_file})")


@servers_app.command()
def photos(
    home: HomeOption = None,
    port: Annotated[int, typer.Option(help="Of the endpoint.")] = 8081,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve photos to annotators by signed links; for PHOTOSEARCH_PHOTOS_URL."""
    from labeling.photo_server import serve_home
    from photosearch.assembly import load_settings

    serve_home(load_settings(home), host=host, port=port)


@servers_app.command()
def webhook(
    home: HomeOption = None,
    port: Annotated[int, typer.Option(help="Of the endpoint.")] = 8082,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Poll sooner when Label Studio says that somebody answered; for PHOTOSEARCH_WEBHOOK_URL."""
    from flows.webhook import serve_webhook
    from photosearch.assembly import load_settings

    settings = load_settings(home)
    secret = settings.services.webhook_secret.get_secret_value()
    serve_webhook(settings.home, secret=secret, host=host, port=port)


@servers_app.command()
def serve(
    home: HomeOption = None,
    port: int = 3000,
    follow: Annotated[bool, typer.Option(help="Serve the home and follow its switches.")] = False,
) -> None:
    """Serve the live release's bento: the API and the page."""
    from flows.package import serve_bento, serve_home
    from photosearch.assembly import load_settings

    found = load_settings(home).home
    if follow:
        serve_home(found, port)
    serve_bento(found, port)


@servers_app.command()
def stop(home: HomeOption = None) -> None:
    """Stop the page that `photosearch demo` left running."""
    from flows.processes import stop_detached
    from photosearch.assembly import find_home

    was_running = stop_detached(find_home(home).root / "serve.pid", name="bentoml")
    typer.echo("stopped" if was_running else "was not running")
