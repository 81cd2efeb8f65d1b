"""A workspace as the caller of a request sees it: what a route reads or changes goes through here."""

from fastapi import Request

from tuneloop.runner import Workspace


def seen(workspace: Workspace, request: Request) -> Workspace:
    """The workspace, with nothing in it but what is of the caller's project."""
    return workspace.within(request.state.caller.scope)
