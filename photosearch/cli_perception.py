"""The verbs that look at one photo, and that train what looks."""

from pathlib import Path
from typing import Annotated

import typer

from photosearch.cli_servers import HomeOption

perception_app = typer.Typer()


@perception_app.command()
def detect(
    photo: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    crops: Annotated[
        Path | None, typer.Option(help="Folder for a PNG file of each thing found.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Find the things on a photo; print their boxes as JSON, surest first."""
    import json

    from photosearch.assembly import load_settings
    from photosearch.assembly_perception import load_detector
    from photosearch.catalog.images import open_photo
    from photosearch.errors import BadParams
    from photosearch.perception.detector import cut_out

    settings = load_settings(home)
    detector = load_detector(settings.params.detector, settings.home)
    if detector is None:
        raise BadParams("`detector.model` is none in params.yaml. Name a detector there.")
    image = open_photo(photo.read_bytes(), name=str(photo))
    things = detector.find(image)
    rows = [
        {"box": list(thing.box), "confidence": thing.confidence, "name": thing.name}
        for thing in things
    ]
    if crops is not None:
        crops.mkdir(parents=True, exist_ok=True)
        for number, thing in enumerate(things):
            keep = not settings.params.detector.masks
            cut_out(image, thing, keep_background=keep).save(crops / f"{number}.png")
    typer.echo(json.dumps({"size": list(image.size), "things": rows}, indent=2))


@perception_app.command("train-detector")
def train_detector(
    to: Annotated[Path, typer.Option(help="The ONNX file to write; its card goes beside it.")],
    scenes: Annotated[
        Path | None, typer.Option(help="Folder of `python -m simulator.scenes_folder`.")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Home whose boxes from Label Studio are learnt too.")
    ] = None,
) -> None:
    """Train the one-class product detector from boxes and write it as ONNX."""
    from photosearch.errors import BadParams
    from photosearch.home import Home
    from training.boxed_photos import photos_of_home, photos_of_scenes
    from training.detector import Recipe
    from training.detector import train_detector as train
    from training.detector_export import Origin, export_detector

    photos = photos_of_scenes(scenes) if scenes else []
    photos += photos_of_home(Home(home)) if home else []
    if not photos:
        raise BadParams("No photos with boxes to learn from. Name --scenes, --home or both.")
    recipe = Recipe()
    named = {"scenes of the simulator": scenes, "boxes drawn in Label Studio": home}
    origin = Origin(
        trained_on=" and ".join(name for name, source in named.items() if source),
        n_photos=len(photos),
        n_boxes=sum(len(photo.boxes) for photo in photos),
        recipe=recipe,
        commands=[],
    )
    card = export_detector(train(photos, recipe), to, origin)
    typer.echo(f"{to}   {card.n_parameters:,} parameters, {card.origin.n_boxes:,} boxes learnt")
