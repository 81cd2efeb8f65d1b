"""One rule for what only this machine can reach."""

import pytest

from tuneloop.loopback import is_local, is_loopback, is_ours


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
    assert is_ours("a:1", "http://a:1") and is_ours("a:1", "")
    assert not any(is_ours("a:1", origin) for origin in ("null", "http://a:2", "http://a:1@b", "http://["))
