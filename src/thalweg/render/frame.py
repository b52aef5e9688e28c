"""What stands around every page: one file with its own style, script and data, that asks nothing of the network."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from thalweg.record import Record
from thalweg.render.markup import Html, data, html, trusted
from thalweg.render.picture import Picture
from thalweg.render.plain import plain


def framed(payload: Mapping[str, object], pictures: Iterable[Picture], **parts: object) -> Html:
    """The whole document around the `parts` that its frame names; `payload` and `pictures` are what its script draws.

    It holds its own script, style and data, and a Content-Security-Policy under which nothing else can run or be
    fetched.
    """
    style, library = asset("page.css"), asset("echarts.min.js")
    script = asset("pictures.js") + asset("bands.js") + asset("page.js")
    return html(
        asset("frame.html"),
        policy=f"default-src 'none'; script-src {_hash(library)} {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'",
        style=trusted(style),
        data=data({**payload, "pictures": [{"kind": p.kind, **p.drawn} for p in pictures]}),
        library=trusted(library),
        script=trusted(script),
        **parts,
    )


@cache
def asset(name: str) -> str:
    """One of the package's own asset files."""
    return resources.files("thalweg.render").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _hash(source: str) -> str:
    """The source expression under which the policy lets exactly this script or style run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def version(record: Record) -> str:
    """The Thalweg that watched the run."""
    versions = record.info.get("versions")
    known = versions.get("thalweg") if isinstance(versions, dict) else None
    return f"Thalweg {plain(known)}" if known else "Thalweg"
