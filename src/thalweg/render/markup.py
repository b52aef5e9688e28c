"""The one way in which text becomes HTML: a template whose every value is escaped."""

import json
import string
from collections.abc import Mapping
from html import escape

from thalweg.render.plain import plain


class Html(str):
    """Text that is markup already. Only this module makes it, so everything else is escaped."""

    __slots__ = ()


def html(template: str, /, **values: object) -> Html:
    """The template with its `{name}` fields filled: text escaped, `Html` as it is, sequences in a row.

    The template is ours; whatever comes from outside is a value.
    """
    return Html(_Escaping().vformat(template, (), values))


def prose(text: str) -> Html:
    """A sentence in which what stands between two backticks is code."""
    parts = escape(plain(text)).split("`")
    if len(parts) % 2 == 0:
        return Html("`".join(parts))
    return Html("".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts)))


def trusted(asset: str) -> Html:
    """One of the package's own asset files (a script, a style sheet) as it is.

    Raises `ValueError` where it would end the element that it stands in.
    """
    if "</script" in asset.lower() or "</style" in asset.lower() or "<!--" in asset:
        raise ValueError("this asset cannot stand inside an element of a page")
    return Html(asset)


def data(payload: Mapping[str, object]) -> Html:
    """JSON that can stand in a `<script type="application/json">` whatever strings it holds.

    Raises `ValueError` where a number is not finite: JSON has no word for it.
    """
    text = json.dumps(payload, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return Html(text.translate(_IN_SCRIPT))


_IN_SCRIPT = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


class _Escaping(string.Formatter):
    def format_field(self, value: object, format_spec: str) -> str:
        return _markup(value)


def _markup(value: object) -> str:
    if isinstance(value, Html):
        return value
    if isinstance(value, list | tuple):
        return "".join(_markup(v) for v in value)
    return "" if value is None else escape(plain(value))
