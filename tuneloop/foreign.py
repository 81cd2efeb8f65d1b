"""What the system and the libraries say, in the user's language: the one place where their words become ours.

``told`` gives the reason of an exception as the end of a sentence of ours. What is not known is quoted in Chinese, so
that a reader sees that it is somebody else's; in English it stands as it is.
"""

import json
import re
import socket
import tomllib

from tuneloop.language import _, current_language
from tuneloop.overheard import OVERHEARD
from tuneloop.text.scripts import CHINESE

AT = re.compile(r"^(.*?) ?\(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)


def told(error: BaseException) -> str:
    """Why something failed, in one phrase. Never the text that could not be read."""
    if isinstance(error, json.JSONDecodeError):
        place = _("line {line}, column {column}").format(line=error.lineno, column=error.colno)
        return _("{said} ({place})").format(said=quoted(error.msg.rstrip(": ")), place=place)
    if isinstance(error, tomllib.TOMLDecodeError):
        return toml(str(error))
    if isinstance(error, UnicodeDecodeError):
        return _("it is not UTF-8 at byte {place}").format(place=error.start)
    if isinstance(error, RecursionError):
        return _("it is nested too deeply")
    if isinstance(error, socket.gaierror):
        return _("the host name is not known")
    if isinstance(error, OSError) and error.strerror:
        return quoted(str(error.strerror))
    if kind := connection(error):
        return kind
    return quoted(str(error) or type(error).__name__)


def connection(error: BaseException) -> str:
    """What an error of httpx means; "" for any other."""
    name = type(error).__name__ if type(error).__module__.partition(".")[0] in ("httpx", "httpcore") else ""
    below = error
    while name and (below := below.__cause__ or below.__context__):  # what the system said, where it said something
        if isinstance(below, OSError) and (isinstance(below, socket.gaierror) or below.errno) and below.strerror:
            return told(below)
    return {
        "ConnectError": _("the connection cannot be made"),
        "ConnectTimeout": _("the connection is not made in time"),
        "ReadError": _("the connection broke off"),
        "WriteError": _("the connection broke off"),
        "CloseError": _("the connection broke off"),
        "RemoteProtocolError": _("the server broke off, or does not speak HTTP"),
        "ProxyError": _("the proxy refuses the connection"),
        "DecodingError": _("the answer is compressed in a way that cannot be read"),
        "TooManyRedirects": _("the server sends from one address to the next"),
    }.get(name, "")


def toml(message: str) -> str:
    """A message of ``tomllib`` with its place."""
    found = AT.match(message)
    if not found:
        return quoted(message)
    said, line, column = found.groups()
    place = _("line {line}, column {column}").format(line=line, column=column) if line else _("end of the file")
    return _("{said} ({place})").format(said=quoted(said), place=place)


def quoted(text: str) -> str:
    """Words that are not ours: in the user's language where they are known, and otherwise marked as somebody else's."""
    text = " ".join(text.split())
    if text in OVERHEARD:
        return _(text)
    if current_language() == "zh" and text and not CHINESE.search(text):
        return f"“{text}”"
    return text
