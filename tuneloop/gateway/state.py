"""What a running gateway holds: its routes' servers and indexes, keys, the traffic log, counters, recent requests."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter, OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers

from tuneloop.access import Caller, Verifier
from tuneloop.errors import Denied
from tuneloop.gateway.config import GatewayConfig, Route
from tuneloop.gateway.guarded import Guards
from tuneloop.gateway.log import TrafficLog
from tuneloop.gateway.metrics import Metrics
from tuneloop.gateway.problem import Problem
from tuneloop.gateway.record import Record
from tuneloop.gateway.upstream import Upstream, open_client
from tuneloop.language import _, joined
from tuneloop.loopback import came_by_proxy, is_local, is_named, is_ours
from tuneloop.store import Store

if TYPE_CHECKING:
    from starlette.types import Scope

    from tuneloop.gateway.cited import CitedRoute
    from tuneloop.gateway.embedding import LocalEmbedding

RECENT = 20_000  # requests whose feedback needs no look into the database


class Gateway:
    """Made once by ``build_app``; closed by its lifespan."""

    def __init__(self, config: GatewayConfig, store: Store) -> None:
        self.config, self.store = config, store
        self.held: Counter[str | None] = Counter()  # requests that are being answered, by key
        self.metrics, self.verifier = Metrics(), Verifier(store.keys)
        self.log = TrafficLog(store.traffic, beside=self.verifier.write_used, seen=self.observe)
        self.clients = {local: open_client(local=local) for local in (True, False)}
        self.upstreams: dict[str, Upstream] = {}
        self.cited: dict[str, CitedRoute] = {}  # by the route's name
        self.embedding: LocalEmbedding | None = None
        self.recent: OrderedDict[str, tuple[str | None, str | None]] = OrderedDict()  # whose: key and project
        for route in config.routes:
            upstream = Upstream(route, self.clients[is_local(route.upstream_url)])
            self.upstreams |= dict.fromkeys((route.name, *route.aliases), upstream)
        self.guards = {route.name: Guards(route.guardrails) for route in config.routes if route.guardrails}

    def open_knowledge(self) -> None:
        """Load every index, once, before the first request. Slow: not in the event loop."""
        if self.cited:
            return
        from tuneloop.gateway.cited import CitedRoute
        from tuneloop.gateway.embedding import LocalEmbedding

        if self.config.embedding:
            self.embedding = LocalEmbedding(self.config.embedding)
        for route in self.config.routes:
            if route.knowledge_path:
                self.cited[route.name] = CitedRoute(
                    self.upstreams[route.name], self.embedding, self.config.max_in_flight
                )

    async def close(self) -> None:
        """Write what is still to be logged, and let the connections go."""
        await asyncio.to_thread(self.log.close)
        if self.embedding:
            self.embedding.threads.shutdown(wait=False, cancel_futures=True)
        for guards in self.guards.values():
            guards.close()
        for client in self.clients.values():
            await client.aclose()
        for cited in self.cited.values():
            await cited.close()

    async def authenticate(self, scope: Scope) -> Caller | None:
        """Who calls; None where no keys are needed. Raises ``Denied``."""
        if not self.config.auth:
            return check_origin(scope, self.config.public_url)
        scheme, _space, key = header(scope, b"authorization").partition(" ")
        if scheme.lower() != "bearer":
            raise Denied(_("the API key is missing or not valid"), hint=_("Send it as: Authorization: Bearer KEY"))
        key = key.strip()
        if self.verifier.remembered(key):
            return self.verifier.verify(key)
        return await asyncio.to_thread(self.verifier.verify, key)

    def upstream(self, model: str) -> Upstream:
        """The server behind a model name. Raises ``Problem`` 404."""
        if model not in self.upstreams:
            names = joined(route.name for route in self.config.routes)
            raise Problem(
                404, _("there is no model {!r}").format(model[:200]), param="model", code="model_not_found",
                hint=_("Models here: {}.").format(names),
            )  # fmt: skip
        return self.upstreams[model]

    @contextlib.contextmanager
    def flight(self, key: str | None = None) -> Iterator[None]:
        """A request that is answered, by whose key. Raises ``Problem`` 429 where too many are, or are of that key."""
        if self.metrics.in_flight >= self.config.max_in_flight:
            raise Problem(429, _("too many requests at once; try again in a moment"), headers={"Retry-After": "1"})
        if key and self.held[key] >= self.config.share_of_key:
            raise Problem(429, _("too many requests of this key at once"), headers={"Retry-After": "1"})
        self.metrics.in_flight += 1
        self.held[key] += 1
        try:
            yield
        finally:
            self.metrics.in_flight -= 1
            self.held[key] -= 1
            if not self.held[key]:
                del self.held[key]

    def finish(self, record: Record) -> None:
        """Count an answered request and hand it to the log. Refused at the door, it is counted only."""
        record.seconds = record.age()
        self.metrics.finish(
            record.path, record.route if record.route in self.upstreams else "", record.status, record.seconds
        )
        turned_away = record.status in (401, 403) or (record.status == 429 and not record.route)
        if not turned_away:
            self.log.add(record)

    def remember(self, record: Record) -> None:
        """Know whose request this is before the log has written it, for the feedback on it."""
        self.recent[record.id] = (record.key, record.scope.project)
        if len(self.recent) > RECENT:
            self.recent.popitem(last=False)

    def observe(self, record: Record) -> None:
        """Take the measurements that only the log knows."""
        if record.time_to_first_token is not None and record.status < 400:
            self.metrics.first_token.observe((("route", record.route),), record.time_to_first_token)

    def names(self) -> list[tuple[str, Route | None]]:
        """Every model name that a caller may use; None as the route is the embedding model."""
        found: list[tuple[str, Route | None]] = [(name, up.route) for name, up in self.upstreams.items()]
        if self.embedding and self.embedding.name not in self.upstreams:
            found.append((self.embedding.name, None))
        return found


def header(scope: Scope, name: bytes) -> str:
    return next((value for key, value in scope["headers"] if key == name), b"").decode("latin-1")


def check_origin(scope: Scope, public: str = "") -> None:
    """Without keys, a page of another site in a browser on this machine is a stranger too. Raises ``Problem`` 403."""
    headers = Headers(scope=scope)
    unnamed = came_by_proxy(headers) and not public
    if unnamed or not is_named(headers.get("host", ""), public) or not is_ours(headers, public=public):
        raise Problem(
            403, _("without keys, only programs and pages of this machine may call"),
            hint=_("Name others with: {option}").format(option="--public-url URL"),
        )  # fmt: skip


def new_request_id() -> str:
    """``chatcmpl-`` and 96 random bits: a completion's id and the request's id in one."""
    return f"chatcmpl-{secrets.token_hex(12)}"


def start_record(gateway: Gateway, path: str, route: Route | None = None, **values: Any) -> Record:
    record = Record(new_request_id(), path, **values)
    if route is not None:
        name_route(record, route)
    return record


def name_route(record: Record, route: Route) -> None:
    record.route, record.model = route.name, route.model_address or None
    record.knowledge = route.knowledge_address or None


def workspace(config: GatewayConfig) -> Store:
    return Store(Path(config.workspace))
