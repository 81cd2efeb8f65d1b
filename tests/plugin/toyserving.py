"""An engine and a guardrail in a package of their own, as a user would write them."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tuneloop.engines.door import Asked
from tuneloop.guardrails import Verdict
from tuneloop.models import ModelCard


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": f"Parrot says: {body['messages'][-1]['content']}"}
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        text = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": body["model"],
                           "choices": [choice], "usage": usage}).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Bird:
    """A server that repeats what it is told."""

    model, key, counts, failure, context_per_request = "polly", "", False, "", 512

    def __init__(self, card: ModelCard, log: Path) -> None:
        self.card, self.log = card, log
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def stop(self, grace: float = 10.0) -> None:
        self.server.shutdown()


class Parrot:
    """Serves models whose architecture is a parrot."""

    def serves(self, asked: Asked) -> bool:
        return asked.card.architecture == "parrot"

    def start(self, asked: Asked, *, log: Path, threads: int, parallel: int, context: int) -> Bird:
        if asked.card.name == "dead":
            raise ZeroDivisionError("it has ceased to be")
        return Bird(asked.card, log)


class Manners:
    """Refuses rude questions, and takes numbers out of answers."""

    seconds, on_failure = 0.5, "deny"

    def before(self, question: str) -> Verdict:
        if "crash" in question:
            raise KeyError(question)
        if "sleep" in question:
            time.sleep(1.5)
        return Verdict("deny", "say please") if "please" not in question else Verdict()

    def after(self, answer: str) -> Verdict:
        hidden = "".join("#" if letter.isdigit() else letter for letter in answer)
        return Verdict("replace", text=hidden) if hidden != answer else Verdict()


PARROT, MANNERS = Parrot(), Manners()
