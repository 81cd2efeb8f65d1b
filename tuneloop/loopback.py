"""What only this machine can reach: the one rule for who is let in without a key, and what no proxy is asked for."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

SECRETS = frozenset(["api_key", "apikey", "key", "token", "access_token", "password", "secret"])  # names in a query


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on ``host``, a name or an address."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def host_of(url: str) -> str:
    """The host that a URL, or what stands in a Host header after ``//``, names; "" where it names none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # a bracket without its partner
        return ""


def holds_a_secret(url: str) -> bool:
    """Whether a URL carries a password or a key, which would be kept and shown wherever the URL is."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https", "ws", "wss"):
        return False
    named = {name.lower().replace("-", "_") for name, _value in parse_qsl(parts.query)}
    return "@" in parts.netloc or bool(named & SECRETS)


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return is_loopback(host_of(url))


def origin_of(url: str) -> str:
    """``scheme://host[:port]`` as a browser writes the origin of a URL; "" where it has none, such as ``null``."""
    try:
        parts = urlsplit(url)
        host, port, usual = parts.hostname or "", parts.port, {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:  # a bracket without its partner, a port that is none
        return ""
    if not usual or not host or "@" in parts.netloc:
        return ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != usual else "")


def is_named(host: str, public: str = "") -> bool:
    """Whether a Host header names this machine, or the host of the URL under which others are to call.

    Any other name may have been made to point here (DNS rebinding), so that a page of another site could read what
    is here as its own. This matters only where nobody needs a key: a browser sends its cookie to no other name.
    """
    named = host_of(f"//{host}")
    return is_loopback(named) or (bool(named) and named == host_of(public))


def came_by_proxy(headers: Mapping[str, str]) -> bool:
    """Whether a proxy has passed a request on, which may come from anywhere, though its Host names this machine."""
    return any(name in headers for name in ("forwarded", "x-forwarded-for", "x-forwarded-host"))


def is_ours(headers: Mapping[str, str], *, public: str = "", forwarded: bool = False) -> bool:
    """Whether a request was sent by a page of this very server, or by a program, and by no page of another site.

    ``Sec-Fetch-Site`` is the browser's own word on this, and is right behind any proxy; a page cannot write it. A
    browser leaves it out over plain http. Then ``Origin`` must name the host of ``Host``, or be that of ``public``, or
    (where ``forwarded``) name the host of ``X-Forwarded-Host``, which a page of another site cannot send along.
    """
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    sent = headers.get("origin", "")
    if not sent:
        return True
    hosts = [headers.get("host", "")]
    if forwarded:
        hosts.append(headers.get("x-forwarded-host", "").partition(",")[0].strip())
    origin = origin_of(sent)
    return bool(origin) and (origin == origin_of(public) or any(host and same(origin, host) for host in hosts))


def same(origin: str, host: str) -> bool:
    """Whether a Host header names the host and port of an origin, whichever its scheme: a proxy may end the TLS."""
    return origin == origin_of(f"{origin.partition('://')[0]}://{host}")
