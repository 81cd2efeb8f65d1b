"""What of an HTML page is not its content: by which rule a part is left out, and how much text that is.

Prose is never taken for decoration because of where it stands: a form, an ``aside`` or a ``div`` called ``sidebar`` may
hold the page itself. Every part that is left out has the name of a rule, and its characters are counted under it.
"""

import re
from typing import Any

from tuneloop.language import stored
from tuneloop.scripts import CJK
from tuneloop.text.tokens import word_set

CONTROLS = stored("buttons and fields")
EMBEDDED = stored("pictures and embedded objects")
HIDDEN = stored("not shown")
NAVIGATION = stored("navigation")
HEAD, FOOT = stored("page head"), stored("page foot")
SURROUNDINGS = stored("surroundings")
REFERENCES = stored("reference marks")
LINKS = stored("lists of links")
OUTSIDE = stored("outside the main part")
COMMENTS = stored("comments")
RUNNING = stored("running heads and page numbers")

CODE = word_set("script style head link meta base")  # of the page: nothing that it says
HEADING = re.compile(r"h[1-6]")
BY_TAG = {
    **dict.fromkeys(word_set("button select textarea option datalist"), CONTROLS),
    **dict.fromkeys(word_set("iframe object embed audio video canvas svg map"), EMBEDDED),
    **dict.fromkeys(word_set("template noscript"), HIDDEN),
}
BY_ROLE = {
    **dict.fromkeys(word_set("navigation search menu menubar"), NAVIGATION),
    "banner": HEAD, "contentinfo": FOOT, "complementary": SURROUNDINGS, "dialog": HIDDEN,
}  # fmt: skip
ALWAYS = re.compile(
    r"(?:^|[\s_-])(?:navbar|breadcrumbs?|cookies?|pagination|advert|ads|popup|modal|newsletter|subscribe|editsection|"
    r"navbox|catlinks|printfooter|noprint|jump-link|headerlink|sr-only|visually-hidden)(?:$|[\s_-])",
    re.I,
)
OFTEN = re.compile(
    r"(?:^|[\s_-])(?:nav|navigation|menu|sidebar|footer|toc|share|social|skip|related)(?:$|[\s_-])", re.I
)
INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
FOLDED = re.compile(r"accordion|collaps|tab-?pane", re.I)
WORD = re.compile(rf"[{CJK}]{{1,2}}|[^\W_]+")
SENTENCE_END = re.compile(r"[.!?](?:\s|$)|[。！？；]")
PROSE = 25  # words outside links (a pair of Chinese characters is one), from which a part with sentences is content
SMALL_FORM = 20  # words


def left_out_by(element: Any, strict: bool) -> str:
    """The rule by which an element is left out; "" where it is content."""
    tag, role = element.tag, element.get("role") or ""
    if rule := BY_TAG.get(tag, ""):
        return "" if tag == "button" and is_title(element) else rule
    if is_hidden(element) or (tag == "dialog" and element.get("open") is None):
        return HIDDEN
    if not strict or tag in ("body", "main", "article", "html"):
        return ""
    if element.get("aria-hidden") == "true":
        return HIDDEN
    if HEADING.fullmatch(tag):
        return ""
    if tag == "nav" or BY_ROLE.get(role) == NAVIGATION:
        return NAVIGATION
    if tag == "header" or role == "banner":
        return "" if element.xpath(".//h1|.//h2|.//h3|ancestor::article|ancestor::section|ancestor::main") else HEAD
    if tag == "footer" or role == "contentinfo":
        part = element.xpath("ancestor::article|ancestor::section|ancestor::main|ancestor::blockquote|ancestor::td")
        return "" if part and not mostly_links(element) else FOOT
    if tag == "form":
        return CONTROLS if is_small_form(element) else ""
    return by_name(element, BY_ROLE.get(role, ""))


def by_name(element: Any, rule: str) -> str:
    """What an element's class, and the ``id`` of one that is not a section, say of it."""
    tag, name = element.tag, element.get("class") or ""
    if tag == "sup" and "reference" in f"{name} {element.get('id') or ''}":
        return REFERENCES
    if tag != "section" and not any(HEADING.fullmatch(str(child.tag)) for child in element):
        name = f"{name} {element.get('id') or ''}"
    always = ALWAYS.search(name)
    if not (always or rule or OFTEN.search(name)):
        return ""
    if element.xpath(".//h1|.//main|.//article") or (not always and is_prose(element)):
        return ""
    return rule or SURROUNDINGS


def is_hidden(element: Any) -> bool:
    if element.get("hidden") is None and not INVISIBLE.search(element.get("style") or ""):
        return False
    return element.get("role") != "tabpanel" and not FOLDED.search(element.get("class") or "")


def is_title(button: Any) -> bool:
    """Whether a button is what a part that folds is called, such as the question of an answer."""
    return bool(
        FOLDED.search(button.get("class") or "")
        or button.xpath("ancestor::h1|ancestor::h2|ancestor::h3|ancestor::h4|ancestor::h5|ancestor::h6")
        or button.xpath("ancestor::summary|ancestor::dt|ancestor::legend")
    )


def is_small_form(form: Any) -> bool:
    """A search box, a login: fields with their labels, and no text to read."""
    if form.xpath(".//p|.//li|.//table|.//pre|.//dl|.//h1|.//h2|.//h3|.//h4"):
        return False
    return bool(form.xpath(".//input|.//textarea|.//select|.//button")) and words_in(form) < SMALL_FORM


def is_prose(element: Any) -> bool:
    if words_in(element) - sum(words_in(link) for link in element.iter("a")) < PROSE:
        return False
    return any(SENTENCE_END.search(piece) for piece in pieces(element))


def mostly_links(element: Any) -> bool:
    return sum(words_in(link) for link in element.iter("a")) > 0.5 * words_in(element)


def words_in(element: Any) -> int:
    return sum(len(WORD.findall(piece)) for piece in pieces(element))


def text_length(element: Any) -> int:
    """Characters of an element's text, without what stands between them and without scripts."""
    return sum(len(" ".join(piece.split())) for piece in pieces(element))


def pieces(element: Any) -> list[str]:
    found = [element.text] if element.tag not in CODE and element.text else []
    for inner in element.iterdescendants():
        if inner.tag not in CODE and isinstance(inner.tag, str) and inner.text:
            found.append(inner.text)
        if inner.tag == "img":
            found.append(inner.get("alt") or "")
        if inner.tail:
            found.append(inner.tail)
    return found
