"""Who looks: in which language and theme, and where a visitor is sent back to.

What is asked for in the address (``?language=zh``) holds for that request alone: a link must say what its sender saw.
Then comes what the visitor has chosen, which a cookie keeps; then the workspace (``language`` in tuneloop.toml, or
``TUNELOOP_LANGUAGE``), which knows its people better than a browser that nobody has set; then the browser.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from fastapi import Request

from tuneloop.language import LANGUAGES
from tuneloop.loopback import origin_of

KEY, LANGUAGE, THEME = "tuneloop_key", "tuneloop_language", "tuneloop_theme"  # the cookies
THEMES = ("auto", "light", "dark")
YEAR = 365 * 24 * 3600


def asked_language(request: Request) -> str:
    """The language that the visitor has named, in the address or before; "" where none."""
    named = (request.query_params.get("language", ""), request.cookies.get(LANGUAGE, ""))
    return next((name for name in named if name in LANGUAGES), "")


def language_for(request: Request, default: str = "") -> str:
    """The language of a page; ``default`` is the workspace's."""
    if known := asked_language(request) or default:
        return known
    browser = (part.partition(";")[0].strip().lower() for part in request.headers.get("accept-language", "").split(","))
    return next((name for part in browser for name in LANGUAGES if part.startswith(name)), "en")


def theme_of(request: Request) -> str:
    theme = request.cookies.get(THEME, "")
    return theme if theme in THEMES else "auto"


def place_of(request: Request) -> str:
    """Path and query of the page that is looked at, to come back to, without what holds for one request alone."""
    if request.method not in ("GET", "HEAD"):  # a button was pressed: the page is where it stood
        parts = urlsplit(request.headers.get("referer", ""))
        path, query = (parts.path, parts.query) if origin_of(request.headers.get("referer", "")) else ("/", "")
    else:
        path, query = request.url.path, request.url.query
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "language"]
    return path + (f"?{urlencode(kept)}" if kept else "")


def safe_place(place: str, *, login: bool = False) -> str:
    """``place`` where it is a page of this console, and the first page otherwise: no site of somebody else's.

    ``login``: it may also be the login page itself.
    """
    local = place.startswith("/") and not place.startswith(("//", "/api/", "/logout", "/part/", "/choose"))
    local = local and (login or not place.startswith("/login"))
    return place if local and place.isascii() and place.isprintable() and "\\" not in place else "/"


def login_place(request: Request) -> str:
    """The login page, which afterwards leads back to the page that was asked for."""
    place = safe_place(place_of(request))
    return "/login" if place == "/" else f"/login?next={quote(place, safe='/')}"
