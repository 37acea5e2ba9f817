"""The pages about a home's data, and a server for them: checks, curation, its quality.

build/docs/index.html, curation.html     written here
build/data_docs/, build/checks/*/        written by checkpoints
"""

import html
import logging
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from photosearch.curation.checkpoints import CHECKS
from photosearch.curation.curation_page import curation_page
from photosearch.curation.data_docs import STYLE
from photosearch.curation.quality import CurationQuality
from photosearch.errors import HomeNotReady
from photosearch.home import Home
from photosearch.report import write_text
from photosearch.settings import CurationParams

DOCS = "docs"
SERVED = (DOCS, CHECKS, "data_docs")
"""Folders of build/; nothing else of a home is served."""

log = logging.getLogger(__name__)


def write_docs(
    home: Home, params: CurationParams, *, quality: CurationQuality | None = None
) -> Path:
    """Writes the curation page and an index of all pages; returns the index.

    Raises:
        HomeNotReady: Nothing was curated yet.
    """
    if not home.rejected.exists():
        raise HomeNotReady(
            f"{home.rejected} does not exist. Run `photosearch demo`, or `dvc repro curate`."
        )
    folder = home.build / DOCS
    write_text(folder / "curation.html", curation_page(home, params, quality=quality))
    write_text(folder / ".gitignore", "*\n")  # pictures in pages would swell the home's history
    write_text(folder / "index.html", _index(home))
    return folder / "index.html"


def docs_server(home: Home, *, host: str, port: int) -> ThreadingHTTPServer:
    """A server of the pages, bound and not yet serving; port 0 takes a free one."""
    handler = partial(_PagesOnly, directory=str(home.build))
    return ThreadingHTTPServer((host, port), handler)


class _PagesOnly(SimpleHTTPRequestHandler):
    """Files of the folders with pages; the tables and models beside them are not shown."""

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path == "/":
            self.send_response(302)
            self.send_header("Location", f"/{DOCS}/index.html")
            self.end_headers()
        elif path.split("/")[1] in SERVED and ".." not in path.split("/"):
            super().do_GET()
        else:
            self.send_error(404, "No such page")

    def do_HEAD(self) -> None:
        self.send_error(405, "Only GET")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name
        log.debug(format, *arguments)


def _index(home: Home) -> str:
    pages = [
        (f"/{DOCS}/curation.html", "What curation left out"),
        *_check_pages(home),
    ]
    items = "".join(
        f'<li><a href="{html.escape(address)}">{html.escape(name)}</a></li>'
        for address, name in pages
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Data of this home</title>'
        f"<style>{STYLE}</style><h1>Data of {html.escape(home.root.resolve().name)}</h1>"
        f"<ul>{items}</ul></html>\n"
    )


def _check_pages(home: Home) -> list[tuple[str, str]]:
    """Summary and Data Docs of every checkpoint that ran."""
    folders = [("data_docs", "the curated tables and pairs")]
    folders += [
        (f"{CHECKS}/{folder.name}", f"the {folder.name} tables")
        for folder in sorted((home.build / CHECKS).glob("[a-z]*"))
    ]
    return [
        (f"/{folder}/{page}", f"{title} of {tables}")
        for folder, tables in folders
        for page, title in (("summary.html", "Checks"), ("index.html", "Data Docs"))
        if (home.build / folder / page).exists()
    ]
