"""The /v1 proxy: keys, routes, cited answers, feedback, the traffic log, and the chat page."""

from tuneloop.gateway.config import GatewayConfig, Route, load_config

__all__ = ["GatewayConfig", "Route", "load_config"]
