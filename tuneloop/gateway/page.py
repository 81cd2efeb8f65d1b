"""The chat page: one page rendered here, one script and one style sheet of our own, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tuneloop import __version__
from tuneloop.language import LANGUAGES, _

if TYPE_CHECKING:
    from tuneloop.gateway.state import Gateway

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends the page's own forms with "Origin: null"
    "Cache-Control": "no-store",
}


def chat_page(gateway: Gateway) -> Callable[[Request], Awaitable[Response]]:
    """The page at ``/``. Its language: ``?language=``, then the configuration, then the browser's."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    template = environment.get_template("chat.html")

    async def answer(request: Request) -> Response:
        language = page_language(request, gateway.config.language)
        text = template.render(
            _=partial(_, language=language), language=language, title=gateway.config.title, version=__version__,
            settings=page_settings(gateway, language),
        )  # fmt: skip
        return HTMLResponse(text, headers=HEADERS)

    return answer


def page_language(request: Request, configured: str) -> str:
    asked = request.query_params.get("language", "") or configured
    if asked in LANGUAGES:
        return asked
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"


def page_settings(gateway: Gateway, language: str) -> dict[str, Any]:
    """What the script needs: the models, whether a key is needed, and its words."""
    routes = gateway.config.routes
    models = [{"name": r.name, "knowledge": bool(r.knowledge_path)} for r in routes]
    return {"models": models, "auth": gateway.config.auth, "words": words(partial(_, language=language))}


def words(_: Callable[[str], str]) -> dict[str, str]:
    """The script's words in the page's language."""
    return {
        "thinking": _("Searching and reading…"),
        "sources": _("Sources: same words"),
        "page": _("page {}"),
        "open": _("Open the passage"),
        "same_words": _(
            "Same words as in the answer. Whether it is right and answers the question is for you to judge."
        ),
        "unsupported": _("The words of this sentence were not found in the documents."),
        "unsupported_mark": _("not found"),
        "unchecked": _("This sentence was not checked: it would have taken too long."),
        "unchecked_mark": _("not checked"),
        "some_unsupported": _("{} sentences were not found in the documents; they are underlined."),
        "one_unsupported": _("One sentence was not found in the documents; it is underlined."),
        "some_unchecked": _("{} sentences were not checked."),
        "one_unchecked": _("One sentence was not checked."),
        "good": _("Good answer"),
        "bad": _("Bad answer"),
        "copy": _("Copy"),
        "copied": _("Copied"),
        "not_copied": _("The browser does not allow copying: mark the text and copy it."),
        "thanks": _("Thank you. It was noted."),
        "what_wrong": _("What was wrong?"),
        "right_answer": _("What would be the right answer? (optional)"),
        "send_feedback": _("Send feedback"),
        "cancel": _("Cancel"),
        "stopped": _("Stopped."),
        "failed": _("The answer failed: {}"),
        "offline": _("The server cannot be reached."),
        "retry": _("Try again"),
        "key_wrong": _("This key is not valid."),
        "no_passage": _("The passage cannot be shown: {}"),
    }
