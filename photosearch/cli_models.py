"""The verbs about models as services run them: export, bench."""

from pathlib import Path
from typing import Annotated

import typer

from photosearch.cli_servers import HomeOption

models_app = typer.Typer(help="Models as services run them.", no_args_is_help=True)


@models_app.command()
def export(
    to: Annotated[Path, typer.Argument(help="The folder to write.")],
    model: Annotated[
        Path | None, typer.Option(help="A model folder; else that of the live release.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write a model as one ONNX graph, with golden vectors of the home's photos beside it."""
    from photosearch.assembly import load_settings
    from photosearch.assembly_models import export_model
    from photosearch.report import one_line

    typer.echo(one_line(export_model(load_settings(home), model, to)))


@models_app.command()
def bench(
    home: HomeOption = None,
    threads: Annotated[
        int | None, typer.Option(min=0, help="0: all cores. Else PHOTOSEARCH_ENCODER_THREADS.")
    ] = None,
    photos: Annotated[int, typer.Option(min=1, help="Of the home, to compare vectors on.")] = 64,
) -> None:
    """Time each runtime of the live release here, compare it with PyTorch, and say which serves."""
    from photosearch.assembly import load_settings
    from photosearch.assembly_models import bench_runtimes
    from photosearch.embedding.runtime_choice import as_table

    settings = load_settings(home)
    asked = settings.services.encoder_threads if threads is None else threads
    done = bench_runtimes(settings, threads=asked, n_photos=photos)
    typer.echo(f"\nRelease {done.release}, {done.photos} photos of the home:\n")
    typer.echo(as_table(done.trials, threads=done.threads))
    typer.echo(f"\na service here runs {done.chosen}: {done.reason}")
