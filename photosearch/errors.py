"""The whole error tree; every message says what happened, the values, and the next step.

* PhotosearchError
  - BadParams           params.yaml or the environment says something impossible
  + HomeNotReady        a home folder lacks what the verb needs
    - HomeHeld          another process is at the same work there
  + SourceError         the outside world did not give what it promised
    - EmptySource       no card with a readable photo
    - BadSource         a file or a column of the source is missing or unreadable
    - CursorRefused     the marketplace does not know how far we were
    - SourceUnreachable the marketplace does not answer
  + BadPhoto            a photo that cannot be used
    - UnreadablePhoto   not an image, or a damaged one
    - HugePhoto         more bytes or pixels than allowed
    - MissingPhoto      the source does not have it
    - OutsidePhoto      its address leads out of the source
    - BadBox            a box that is not inside the photo
  - BadRequest          a search asks in a way nobody can answer
  - UnknownQuery        a search that is not known, or no longer
  - NoMap               a search, or a model, that no map can be drawn of
  - UnknownCard         a card that the release does not have
  - TooBusy             more searches wait than may
  - Overdue             a search took longer than the deadline of the service
  - TooManyCalls        a caller asks more often than it may
  + TableError
    - BadTable          a parquet file does not have its columns
    - BadData           expectations about a table failed
  + ModelError
    - TowerUnreachable  neither hub, mirror nor folder gives the tower's weights
    - TextEncoderUnavailable  the package or the model of a text encoder is not here
    - DescriberUnavailable  the endpoint that tells photos apart does not answer, or refuses
    - BadArtifact       a model folder is incomplete or was changed
    - GraphDisagrees    a runtime makes other vectors than the model it runs
    - BadLength         a vector length the model does not make
    - EncoderUnavailable  the process that runs the model does not answer
  + IndexProblem
    - DimensionMismatch the model makes vectors the index cannot hold
    - ForeignIndex      the index was made by another model
    - IndexUnavailable  the index does not answer, or another process holds it
  + EventsProblem       what shoppers did cannot be kept or read
    - EventsOff         no store of events is set
    - EventsUnavailable the store of events does not answer
  - StageFailed         a DVC stage stopped
  - ClusterUnreachable  the Dask scheduler does not answer
  - LabelingUnavailable Label Studio does not answer
  - BadLink             a link to a photo is not signed by us, or too old
  - CallFailed          the API answered a client with a problem, or not at all
"""


class PhotosearchError(Exception):
    """Anything the reader of the message can act upon."""


class BadParams(PhotosearchError):
    """`params.yaml` or the environment says something impossible."""


class HomeNotReady(PhotosearchError):
    """A home folder lacks what the verb needs."""


class HomeHeld(HomeNotReady):
    """Another process is at the same work there."""


class SourceError(PhotosearchError):
    """The outside world did not give what it promised."""


class EmptySource(SourceError):
    """No card with a readable photo."""


class BadSource(SourceError):
    """A file or a column of the source is missing or unreadable."""


class CursorRefused(SourceError):
    """The marketplace does not know how far we were."""


class SourceUnreachable(SourceError):
    """The marketplace does not answer."""


class BadPhoto(PhotosearchError):
    """A photo that cannot be used."""


class UnreadablePhoto(BadPhoto):
    """Not an image, a damaged one, or one that would take seconds to decode."""


class HugePhoto(BadPhoto):
    """More bytes or pixels than allowed."""


class MissingPhoto(BadPhoto):
    """The source does not have it."""


class OutsidePhoto(BadPhoto):
    """Its address leads out of the source."""


class BadBox(BadPhoto):
    """A box that is not inside the photo, or too small to be searched."""

    def __init__(self, box: tuple[float, ...], width: int, height: int) -> None:
        super().__init__(
            f"Box {list(box)} is not inside the photo of {width} x {height} pixels, or too small. "
            "Give left, top, right, bottom in pixels, at least 8 pixels wide and high."
        )


class BadRequest(PhotosearchError):
    """A search asks in a way nobody can answer."""


class UnknownQuery(PhotosearchError):
    """A search that is not known, or no longer."""

    def __init__(self, query_id: str) -> None:
        super().__init__(
            f"There is no query {query_id!r} with articles to tell of: it is unknown, or some "
            "minutes old and forgotten, or this release reads none. Search again."
        )


class NoMap(PhotosearchError):
    """A search, or a model, that no map can be drawn of."""


class UnknownCard(PhotosearchError):
    """A card that the release does not have."""

    def __init__(self, card_id: str) -> None:
        super().__init__(f"There is no card {card_id!r} in this release. Take ids from a search.")


class TooBusy(PhotosearchError):
    """More searches wait than may."""

    def __init__(self) -> None:
        super().__init__("Too much is asked at once. Try again in a few seconds.")


class Overdue(PhotosearchError):
    """A search took longer than the deadline of the service."""

    def __init__(self, deadline_s: float) -> None:
        super().__init__(
            f"There is no answer after {deadline_s:g} s, the deadline of this service: index or "
            "model are slow, or too many search. Try again in a few seconds."
        )


class TooManyCalls(PhotosearchError):
    """A caller asks more often than it may."""

    def __init__(self, who: str, per_min: int, wait_s: int) -> None:
        super().__init__(
            f"{who} may make {per_min} calls a minute. Try again in {wait_s} s, or ask the "
            "operator for more."
        )
        self.wait_s = wait_s


class TableError(PhotosearchError):
    """A table is not what the next step needs."""


class BadTable(TableError):
    """A parquet file does not have its columns."""


class BadData(TableError):
    """Expectations about a table failed."""


class ModelError(PhotosearchError):
    """A model cannot be loaded or used."""


class TowerUnreachable(ModelError):
    """Neither hub, mirror nor folder gives the tower's weights."""


class TextEncoderUnavailable(ModelError):
    """The package or the model of a text encoder is not here."""


class DescriberUnavailable(ModelError):
    """The endpoint that tells photos apart does not answer, or refuses us."""


class BadArtifact(ModelError):
    """A model folder is incomplete or was changed."""


class GraphDisagrees(ModelError):
    """A runtime makes other vectors than the model it runs."""

    def __init__(self, what: str, cosine: float, wanted: float) -> None:
        super().__init__(
            f"The graph run by {what} makes vectors with a cosine of only {cosine:.4f} to "
            f"PyTorch's, {wanted} is the least. Compare the runtimes with `photosearch models "
            "bench`, and make the release again with `photosearch index`."
        )


class BadLength(ModelError):
    """A vector length the model does not make."""

    def __init__(self, length: int, allowed: tuple[int, ...]) -> None:
        super().__init__(
            f"Vector length {length} is not one of {', '.join(map(str, allowed))}. "
            "Ask for one of these; they are trained together (Matryoshka)."
        )


class EncoderUnavailable(ModelError):
    """The process that runs the model does not answer."""


class IndexProblem(PhotosearchError):
    """The index cannot answer."""


class DimensionMismatch(IndexProblem):
    """The model makes vectors the index cannot hold."""

    def __init__(self, index: str, expected: int, got: int) -> None:
        super().__init__(
            f"Index {index!r} holds {expected}-d vectors, the model made {got}-d ones. "
            "Rebuild it with `photosearch index`."
        )


class ForeignIndex(IndexProblem):
    """The index was made by another model."""

    def __init__(self, index_model_id: str, model_id: str) -> None:
        super().__init__(
            f"The index was made by model {index_model_id}, the query by {model_id}: their "
            "vectors cannot be compared. Rebuild it with `photosearch index`."
        )


class IndexUnavailable(IndexProblem):
    """The index does not answer, or another process holds it."""


class EventsProblem(PhotosearchError):
    """What shoppers did cannot be kept or read."""


class EventsOff(EventsProblem):
    """No store of events is set."""

    def __init__(self) -> None:
        super().__init__(
            "There is no store of events. Set PHOTOSEARCH_EVENTS to an address, such as "
            "sqlite:////srv/photosearch/events.sqlite, or PHOTOSEARCH_HOME to a home folder."
        )


class EventsUnavailable(EventsProblem):
    """The store of events does not answer."""


class StageFailed(PhotosearchError):
    """A DVC stage stopped."""


class ClusterUnreachable(PhotosearchError):
    """The Dask scheduler does not answer."""


class LabelingUnavailable(PhotosearchError):
    """Label Studio does not answer."""


class LabelingRefused(LabelingUnavailable):
    """It refuses, or lacks a setting: waiting does not help."""


class BadLink(PhotosearchError):
    """A link to a photo is not signed by us, or too old."""


class CallFailed(PhotosearchError):
    """The API answered a client with a problem, or not at all."""

    def __init__(self, call: str, status: int, detail: str) -> None:
        """`status`: of HTTP; 0 where there was no answer."""
        what = f"answered {status}" if status else "did not answer"
        super().__init__(f"{call} {what}: {detail}")
        self.status, self.detail = status, detail
