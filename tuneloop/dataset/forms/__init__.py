"""The forms in which datasets are written, each by its name. A form is one file with a ``Form``.

A package adds one through the entry point group ``tuneloop.importers``: ``name = module:FORM``. ``--format auto`` takes
the form that says most surely that it knows the first rows; of two that say the same, the one that stands first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tuneloop.dataset.carried import Carried
from tuneloop.doors import Door
from tuneloop.language import _

Values = Mapping[str, Any]  # a row as it came: column or key to value
Columns = Mapping[str, str]  # question, answer, system and so on, to the column that plays the part

SURE, LIKELY, MAYBE = 3, 2, 1  # how sure a form is of a row
BUILT_IN = {
    "openai": "tuneloop.dataset.forms.openai:FORM", "sharegpt": "tuneloop.dataset.forms.sharegpt:FORM",
    "alpaca": "tuneloop.dataset.forms.alpaca:FORM", "qa": "tuneloop.dataset.forms.columns:FORM",
    "csv": "tuneloop.dataset.forms.columns:FORM", "choices": "tuneloop.dataset.forms.choices:FORM",
    "prompt": "tuneloop.dataset.forms.prompt:FORM", "retrieval": "tuneloop.dataset.forms.retrieval:FORM",
    "labelled": "tuneloop.dataset.forms.labelled:FORM", "text": "tuneloop.dataset.forms.text:FORM",
}  # fmt: skip
NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class Form:
    """How rows of one form are told and read.

    ``knows`` says how sure it is of a row, 0 to 3. ``read`` gives the fields of an ``Example`` but its id and sources,
    and raises ``BadRow`` with the reason for a row that cannot be used. What it leaves of a row is to be among the
    ``extra`` fields, or named in ``lost``: ``carried.rest`` does both.
    """

    knows: Callable[[Values], int]
    read: Callable[[Values, Columns], Carried]
    by_columns: bool = False  # its parts are columns that people may name: see --columns


def check_form(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part cannot read a row."""
    if not isinstance(part, Form):
        raise ValueError(_("it is not a {kind}").format(kind="Form"))
    if not NAME.fullmatch(name) or name == "auto":
        raise ValueError(_("the name of a form is of at most 40 small letters, digits, - and _, and not auto"))


def absent(name: str) -> str:
    return _("there is no format {name!r}").format(name=name)


FORMS: Door[Form] = Door("tuneloop.importers", BUILT_IN, check=check_form, absent=absent)


def form_of(values: Values) -> str:
    """The name of the form that one row is written in; "" where none knows it."""
    sure = {name: knows(name, form, values) for name, form in FORMS.all().items()}
    best = max(sure, key=lambda name: sure[name])
    return best if sure[best] else ""


def knows(name: str, form: Form, values: Values) -> int:
    """How sure a form is of a row; that of a package which fails knows none."""
    try:
        return form.knows(values)
    except Exception:
        if not FORMS.package(name):
            raise
        return 0
