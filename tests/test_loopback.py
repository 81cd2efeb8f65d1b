"""One rule for what only this machine can reach."""

import pytest

from tuneloop.loopback import is_local, is_loopback, is_named, is_ours, origin_of


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "localhost", "LocalHost", "::1", "[::1]", "::ffff:127.0.0.1"]
)
def test_hosts_that_only_this_machine_reaches(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "127.0.0.1.nip.io", "[", "::ffff:8.8.8.8"]
)
def test_hosts_that_others_reach(host: str) -> None:
    assert not is_loopback(host)


def test_urls_and_origins() -> None:
    assert is_local("http://[::1]:8000/v1") and is_local("http://127.0.0.2/v1")
    assert not any(is_local(url) for url in ("http://evil.example/", "http://[/v1", "127.0.0.1", ""))
    assert origin_of("HTTPS://Tune.Example:443/x?y#z") == "https://tune.example"
    assert origin_of("http://[::1]:8001/") == "http://[::1]:8001"
    assert not any(map(origin_of, ("", "null", "tune.example", "http://[", "http://a:b", "file:///x", "http://a@b")))


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"host": "a:1"}, True),  # a program
        ({"host": "a:1", "origin": "http://a:1"}, True),
        ({"host": "A", "origin": "https://a"}, True),  # a proxy ended the TLS
        ({"host": "a:443", "origin": "https://a"}, True),
        ({"host": "a:1", "origin": "null"}, False),
        ({"host": "a:1", "origin": "http://a:2"}, False),
        ({"host": "a:1", "origin": "http://a:1@b"}, False),
        ({"host": "a:1", "origin": "http://["}, False),
        ({"host": "", "origin": "http://"}, False),
        ({"host": "127.0.0.1:8001", "origin": "https://a", "sec-fetch-site": "same-origin"}, True),
        ({"host": "a", "origin": "null", "sec-fetch-site": "same-origin"}, True),
        ({"host": "a", "origin": "http://a", "sec-fetch-site": "same-site"}, False),
        ({"host": "a", "origin": "http://a", "sec-fetch-site": "cross-site"}, False),
        ({"host": "127.0.0.1:8001", "origin": "https://public.example"}, True),
        ({"host": "127.0.0.1:8001", "origin": "http://public.example"}, False),
        ({"host": "127.0.0.1:8001", "origin": "http://b", "x-forwarded-host": "b, c"}, False),
    ],
)
def test_only_a_browser_tells_one_site_from_another(headers: dict[str, str], ours: bool) -> None:
    assert is_ours(headers, public="https://public.example/") is ours


def test_a_proxy_is_believed_only_where_asked() -> None:
    headers = {"host": "127.0.0.1:8001", "origin": "http://b", "x-forwarded-host": "b, c"}
    assert is_ours(headers, forwarded=True) and not is_ours({**headers, "origin": "http://c"}, forwarded=True)
    assert not is_ours({**headers, "x-forwarded-host": ""}, forwarded=True)


def test_without_keys_only_names_that_were_given_lead_here() -> None:
    assert is_named("localhost:8001") and is_named("[::1]:8001")
    assert not any(is_named(host) for host in ("", "[", "evil.example", "localhost.evil.example"))
    assert is_named("tune.example:443", "https://tune.example") and not is_named("tune.example", "")
    assert not is_named("", "nonsense")
