"""From a template to a page: in the visitor's language and theme, with numbers, dates and sizes as people read them."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from tuneloop.errors import told_again
from tuneloop.language import _, shown
from tuneloop.registry import BUILT_IN
from tuneloop.scripts import CHINESE
from tuneloop.telling import part
from tuneloop.web.visitor import THEMES, language_for, place_of, safe_place, theme_of

FOLDER = Path(__file__).parent
STATIC = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}
LONG = 240  # characters of a cell
NAMES = {"rouge_l": "ROUGE-L", "rouge_l_recall": "ROUGE-L recall", "bleu_4": "BLEU-4", "corpus_bleu_4": "corpus BLEU-4",
         "token_f1": "token F1", "hit@1": "hit@1", "hit@5": "hit@5", "mrr@5": "MRR@5"}  # fmt: skip


def when(seconds: float | None) -> str:
    """A moment, in the time of this machine."""
    if not seconds:
        return ""
    moment = datetime.fromtimestamp(seconds).astimezone()
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), moment.strftime("%Y-%m-%d %H:%M:%S"))


def number(value: Any) -> Any:
    """A number with four digits that count, a range of two as such; anything else as it is."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if math.isfinite(value) and abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(v, float) for v in value):
        return f"{number(value[0])} … {number(value[1])}"
    return value


def size(count: float) -> str:
    """Bytes as people say them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return ""


def span(seconds: float) -> str:
    """How long something took."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def clip(text: Any) -> str:
    """The beginning of a text, in one line."""
    line = " ".join(str(text).split())
    return line if len(line) <= LONG else line[:LONG] + "…"


def step(name: str, language: str) -> Markup:
    """A stage in the reader's language, with the name that is typed beside it where that is another."""
    told = told_stage(name, language)
    code = Markup(" <code>{}</code>").format(name) if told != name else Markup()
    return Markup('<span class="step">{}</span>').format(told) + code


def told_stage(name: str, language: str) -> str:
    """What a stage of ours is called; of a package of somebody else, its name."""
    return _(name, language) if name in BUILT_IN else name


def step_name(name: str, language: str) -> str:
    """The same as plain text: for a title, and what is chosen from a list."""
    told = told_stage(name, language)
    return f"{told} · {name}" if told != name else name


def pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def failure(error: dict[str, Any], *, language: str, short: bool = False) -> Markup:
    """Why a run failed, in the reader's language; what nobody has translated is marked as English."""
    text = told_again(error, language)
    foreign = language == "zh" and not CHINESE.search(text)
    return Markup('<span lang="en">{}</span>' if foreign else "{}").format(clip(text) if short else text)


@cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {
        "when": when, "number": number, "size": size, "span": span, "clip": clip, "pretty": pretty, "part": part,
        "label": lambda key: NAMES.get(key) or key.replace("_", " "),  # to be looked up in the catalogue
        "named": lambda tag, kind: f"{kind}:{tag}",
    }  # fmt: skip
    return made


@cache
def edition() -> str:
    """Changes with what the browser may keep."""
    parts = [(FOLDER / "static" / name).read_bytes() for name in STATIC]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def text_of(request: Request, template: str, **values: Any) -> str:
    """A rendered template. ``t`` looks a text up, ``told`` one that an artifact keeps."""
    language = visitor_language(request)
    caller = getattr(request.state, "caller", None)
    return environment().get_template(template).render(
        t=partial(_, language=language), told=partial(shown, language=language), language=language,
        step=partial(step, language=language), step_name=partial(step_name, language=language),
        colon="：" if language == "zh" else ": ", comma="、" if language == "zh" else ", ",
        failure=partial(failure, language=language),
        theme=theme_of(request), themes=THEMES, place=safe_place(place_of(request), login=True), edition=edition(),
        admin=bool(caller and caller.role == "admin"),
        caller=caller if caller and caller.id not in ("", "local") else None, path=request.url.path, **values,
    )  # fmt: skip


def visitor_language(request: Request) -> str:
    return language_for(request, request.app.state.language)


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    return HTMLResponse(text_of(request, template, **values), status)
