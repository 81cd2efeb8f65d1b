"""What only this machine can reach: the one rule for who is let in without a key, and what no proxy is asked for."""

import ipaddress
from urllib.parse import urlsplit


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


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return is_loopback(host_of(url))


def is_ours(host: str, origin: str) -> bool:
    """Whether a browser's Origin header (may be missing) names the site that its Host header asks."""
    return not origin or origin.partition("://")[2] == host
