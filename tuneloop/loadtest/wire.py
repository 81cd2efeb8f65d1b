"""HTTP/1.1 with as little as possible between the socket and the clock.

A chunk is timed when the event loop hands over its bytes, before anything is decoded. Connections are kept and used
again, as clients of a chat service do.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from tuneloop.errors import TuneloopError
from tuneloop.language import _

Sink = Callable[[float, bytes], None]  # time.perf_counter() and a piece of the body


class Lost(Exception):
    """The connection ended before the answer did. ``kind`` names how, ``heard`` whether anything had come."""

    def __init__(self, kind: str, heard: bool = False) -> None:
        super().__init__(kind)
        self.kind, self.heard = kind, heard


@dataclass(frozen=True)
class Target:
    """Where the server listens, and what every request says of itself."""

    host: str
    port: int
    path: str  # of the base URL, without a slash at its end
    tls: bool
    api_key: str = ""

    def headers(self, length: int) -> list[tuple[str, str]]:
        name = f"[{self.host}]" if ":" in self.host else self.host
        standard = self.port == (443 if self.tls else 80)
        found = [("Host", name if standard else f"{name}:{self.port}"), ("User-Agent", "tuneloop-loadtest")]
        found += [("Accept", "text/event-stream, application/json"), ("Content-Type", "application/json")]
        if self.api_key:
            found.append(("Authorization", f"Bearer {self.api_key}"))
        return [*found, ("Content-Length", str(length))]


def parse_target(url: str, api_key: str = "") -> Target:
    """A target from the address a user types: with or without ``/v1``, or the whole path of chat completions."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        raise TuneloopError(_("not the URL of a server"), where=url, hint=_("Expected http://HOST:PORT/v1."))
    path = parts.path.rstrip("/").removesuffix("/chat/completions").rstrip("/") or "/v1"
    tls = parts.scheme == "https"
    return Target(parts.hostname, port or (443 if tls else 80), path, tls, api_key)


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.state = h11.Connection(h11.CLIENT)
        self.transport: asyncio.Transport | None = None
        self.done: asyncio.Future[int] | None = None
        self.sink: Sink | None = None
        self.status, self.heard, self.used = 0, False, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self.heard = True
        self._take(now, data)

    def eof_received(self) -> None:
        self._take(time.perf_counter(), b"")

    def connection_lost(self, error: Exception | None) -> None:
        if self.done and not self.done.done():
            self.done.set_exception(Lost("broken_stream" if self.status else "connection", self.heard))
        self.transport = None

    def _take(self, now: float, data: bytes) -> None:
        try:
            self.state.receive_data(data)
            while True:
                event = self.state.next_event()
                if isinstance(event, h11.Response):
                    self.status = event.status_code
                elif isinstance(event, h11.Data) and self.sink:
                    self.sink(now, bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    if self.done and not self.done.done():
                        self.done.set_result(self.status)
                elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                    return
        except h11.RemoteProtocolError:
            if self.done and not self.done.done():
                self.done.set_exception(Lost("broken_stream" if self.status else "not_http", self.heard))
            self.close()

    @property
    def reusable(self) -> bool:
        states = (self.state.our_state, self.state.their_state)
        return self.transport is not None and not self.transport.is_closing() and states == (h11.DONE, h11.DONE)

    def send(self, method: str, target: Target, path: str, body: bytes, sink: Sink) -> asyncio.Future[int]:
        """Write a request; the future has the status once the whole answer has come."""
        if self.used:
            self.state.start_next_cycle()
        self.done = asyncio.get_running_loop().create_future()
        self.sink, self.status, self.heard = sink, 0, False
        request = h11.Request(method=method, target=target.path + path, headers=target.headers(len(body)))
        pieces = [self.state.send(event) for event in (request, h11.Data(data=body), h11.EndOfMessage())]
        assert self.transport is not None
        self.transport.write(b"".join(piece or b"" for piece in pieces))
        return self.done

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Pool:
    """The connections to one target: an idle one is used again, and there are as many as requests in flight."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.idle: list[Connection] = []
        self.tls = ssl.create_default_context() if target.tls else None

    async def connect(self) -> Connection:
        loop, target = asyncio.get_running_loop(), self.target
        try:
            _transport, connection = await loop.create_connection(Connection, target.host, target.port, ssl=self.tls)
        except ssl.SSLError:
            raise Lost("tls") from None
        except OSError as error:
            raise Lost("too_many_files" if error.errno == 24 else "connection") from None
        return connection

    async def request(self, method: str, path: str, body: bytes, sink: Sink) -> int:
        """Send a request and return its status when the whole answer has come. Raises ``Lost``."""
        while True:
            connection = next((c for c in iter(self._pop, None) if c.reusable), None)
            reused = connection is not None
            connection = connection or await self.connect()
            try:
                status = await connection.send(method, self.target, path, body, sink)
                connection.used = True
                if connection.reusable:
                    self.idle.append(connection)
                else:
                    connection.close()
                return status
            except Lost as lost:
                if not reused or lost.heard:  # a server may close an idle connection just as it is used again
                    raise
            except BaseException:
                connection.close()
                raise

    def _pop(self) -> Connection | None:
        return self.idle.pop() if self.idle else None

    async def close(self) -> None:
        for connection in self.idle:
            connection.close()
        self.idle.clear()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
