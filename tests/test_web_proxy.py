"""The console behind a real nginx, under a host name of its own: with Host passed on and without, plain and by TLS."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from console_house import chromium
from gateway_house import Running

from tuneloop import processes
from tuneloop.access import create_key
from tuneloop.runner import Workspace
from tuneloop.web.app import build_app

PASSED, FORWARDED, SILENT = (
    "proxy_set_header Host $http_host;",
    "proxy_set_header X-Forwarded-Host $http_host;",
    "",
)
CONFIG = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {servers}
}}
"""
SERVER = "server {{ listen 127.0.0.1:{port}{tls}; location / {{ proxy_pass {upstream}; {headers} }} }}"


@contextmanager
def nginx(folder: Path, upstream: str, *headers: str, tls: bool = False) -> Iterator[list[str]]:
    """One nginx with a server for each way of passing headers on; their addresses under the name tuneloop.test."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not found:
        pytest.skip("nginx is not installed")
    secure = f" ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem" if tls else ""
    if tls:
        make_certificate(folder)
    ports = [processes.free_port() for _header in headers]
    servers = "".join(
        SERVER.format(port=port, tls=secure, upstream=upstream, headers=header)
        for port, header in zip(ports, headers, strict=True)
    )
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, servers=servers))
    server = subprocess.Popen([found, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
    try:
        until = time.monotonic() + 20
        while not all(map(answers, ports)) and time.monotonic() < until:
            assert server.poll() is None, (folder / "error.log").read_text()
            time.sleep(0.05)
        yield [f"{'https' if tls else 'http'}://tuneloop.test:{port}" for port in ports]
    finally:
        server.terminate()
        server.wait(10)


def answers(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def make_certificate(folder: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tuneloop.test"]
    subprocess.run([*made, *files], check=True, capture_output=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium("--host-resolver-rules=MAP *.test 127.0.0.1") as found:
        yield found


@pytest.fixture
def console(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Workspace, Running]]:
    workspace = Workspace(tmp_path / "workspace")
    running = Running(build_app(workspace, **getattr(request, "param", {})))
    yield workspace, running
    running.stop()


def enter(page: Any, url: str, key: str) -> None:
    page.goto(f"{url}/stages/parse")
    page.fill("#key", key)
    page.press("#key", "Enter")


def queue(page: Any, workspace: Workspace, folder: Path) -> None:
    """Send a form through the proxy, and press a button."""
    page.fill("#f-paths", str(folder))
    page.get_by_role("button", name="Queue the run").click()
    page.wait_for_url("**/runs/*")
    page.get_by_role("button", name="Cancel").click()
    page.locator(".state.cancelled").wait_for()
    assert workspace.store.runs.recent(limit=1)[0].state == "cancelled"


def test_the_console_works_under_the_name_of_a_proxy(browser: Any, console: Any, tmp_path: Path) -> None:
    workspace, running = console
    key = create_key(workspace.store, "x", role="admin").key
    with nginx(tmp_path, running.url, PASSED, FORWARDED, SILENT) as (passed, forwarded, silent):
        for url in (passed, forwarded):
            context = browser.new_context()
            page = context.new_page()
            enter(page, url, key)
            page.wait_for_url("**/stages/parse")
            assert page.url.startswith(url), "it leads back to the name that was typed"
            queue(page, workspace, tmp_path)
            context.close()
        page = browser.new_page()
        enter(page, silent, key)  # plain http, and nothing says what the outside is called
        assert "--public-url" in page.locator("[role=alert]").inner_text()
        page.close()


def test_by_tls_nothing_need_be_set_and_the_cookie_is_secure(browser: Any, console: Any, tmp_path: Path) -> None:
    workspace, running = console
    with nginx(tmp_path, running.url, SILENT, tls=True) as (url,):
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        enter(page, url, create_key(workspace.store, "x", role="admin").key)
        page.wait_for_url("**/stages/parse")
        (cookie,) = [c for c in context.cookies() if c["name"] == "tuneloop_key"]
        assert cookie["secure"] and cookie["httpOnly"] and cookie["sameSite"] == "Lax"
        queue(page, workspace, tmp_path)
        context.close()


@pytest.mark.parametrize("console", [{"auth": False}], indirect=True)
def test_without_keys_no_name_leads_in_that_was_not_given(browser: Any, console: Any, tmp_path: Path) -> None:
    workspace, running = console
    page = browser.new_page()
    with nginx(tmp_path, running.url, PASSED, FORWARDED) as (passed, forwarded):
        for url in (passed, forwarded):  # of the other, the Host that nginx sends names this machine
            page.goto(f"{url}/stages/parse")
            assert "only programs and pages of this machine" in page.locator("[role=alert]").inner_text()
            assert "--public-url" in page.locator("[role=alert]").inner_text()
        named = Running(build_app(workspace, auth=False, public_url=passed))
        (tmp_path / "named").mkdir()
        try:
            with nginx(tmp_path / "named", named.url, PASSED, SILENT) as (passed_on, silent):
                page.goto(f"{passed_on}/stages/parse")  # the host alone counts, which nginx passes on
                queue(page, workspace, tmp_path)
                page.goto(silent)
                assert page.locator(".stages").count()
        finally:
            named.stop()
    page.close()
