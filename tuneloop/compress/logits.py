"""The engine's log-probabilities for given tokens, in its own process. ``python -m tuneloop.compress.logits JSON``.

The argument names a GGUF file, the prompts as token ids, the texts to tokenise, and the file for the answer.
"""

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tuneloop import processes


def main() -> None:
    processes.follow_parent(grace=1.0)
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        import xllamacpp

        params: Any = xllamacpp.CommonParams()  # type: ignore[attr-defined] (compiled)
        params.model.path, params.n_ctx, params.n_parallel = task["file"], task["context"], 1
        params.hostnames, params.port, params.offline, params.ui = ["127.0.0.1"], 0, True, False
        params.fit_params, params.verbosity, params.warmup, params.cache_prompt = False, 2, False, True
        params.cache_ram_mib = 0
        if task["threads"]:
            params.cpuparams.n_threads = params.cpuparams_batch.n_threads = task["threads"]
        server: Any = xllamacpp.Server(params)  # type: ignore[attr-defined]
    except (ImportError, RuntimeError, ValueError, OSError) as error:
        processes.say_error(str(error))
        os._exit(2)
    processes.say_ready()
    answer = ask(server.listening_address, task)
    part = Path(task["answer"] + ".part")
    part.write_text(json.dumps(answer), encoding="utf-8")
    part.replace(task["answer"])
    os._exit(0)  # llama.cpp's threads have no orderly end that is quick


def ask(url: str, task: dict[str, Any]) -> dict[str, Any]:
    """For each prompt the ``{token: log-probability}`` of what may follow, and the ids of each text."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(url + path, data=json.dumps(body).encode(), headers=head)
        with opener.open(request, timeout=600) as response:
            return json.load(response)

    tokens = [post("/tokenize", {"content": t, "add_special": False, "parse_special": True}) for t in task["texts"]]
    # A token that ends inside a character is not reported until the character is whole. So one that is whole is forced
    # to be written; the probabilities are those before that.
    whole = post("/tokenize", {"content": "a", "add_special": False})["tokens"][-1]
    options = {"n_predict": 1, "n_probs": task["candidates"], "temperature": 0, "cache_prompt": True,
               "logit_bias": [[whole, 1e6]]}  # fmt: skip
    following = []
    for prompt in task["prompts"]:
        found = post("/completion", {"prompt": prompt, **options})["completion_probabilities"][0]["top_logprobs"]
        following.append({str(one["id"]): one["logprob"] for one in found})
    return {"tokens": [one["tokens"] for one in tokens], "following": following}


if __name__ == "__main__":
    main()
