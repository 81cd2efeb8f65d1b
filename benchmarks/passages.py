"""How many passages a model should be shown: cited answers to an exam, the same model and index, several numbers.

    python benchmarks/passages.py model:help-desk-en-q8_0 index:help-desk-en examples/help-desk/exam.en.jsonl \\
        [--passages 4 2 1] [--every 3]

Run it in the workspace of a demo. ROUGE-L is against the reference; "supported" counts sentences that state something.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

from tuneloop import serving
from tuneloop.answer import Answerer
from tuneloop.chat import ChatClient
from tuneloop.evaluate.scorers import Scored
from tuneloop.evaluate.scorers.rouge import RougeL
from tuneloop.knowledge import open_index
from tuneloop.runner import Workspace


async def answer_all(answerer: Answerer, questions: list[dict[str, Any]]) -> list[Any]:
    return [await answerer.answer([{"role": "user", "content": q["question"]}], max_tokens=64) for q in questions]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("index")
    parser.add_argument("exam", type=Path)
    parser.add_argument("--passages", type=int, nargs="+", default=[4, 2, 1])
    parser.add_argument("--every", type=int, default=3, help="every so manieth answerable question")
    options = parser.parse_args()
    workspace = Workspace()
    rows = [json.loads(line) for line in options.exam.read_text(encoding="utf-8").splitlines()]
    questions = [row for row in rows if row.get("answerable", True)][:: options.every]
    knowledge = open_index(workspace.store.artifacts.path(workspace.store.artifacts.resolve(options.index, "index")))
    print(f"{len(questions)} questions\npassages  ROUGE-L  supported  seconds")
    with serving.engine(workspace.store, workspace.address(options.model, "model"), log="passages") as engine:
        for count in options.passages:
            client = ChatClient(engine.base_url, "model", system_prompt=engine.card.system_prompt or None)
            begin = time.perf_counter()
            answers = asyncio.run(answer_all(Answerer(knowledge, client, k=count), questions))
            seconds = time.perf_counter() - begin
            rouge_l = RougeL().score
            score = sum(
                rouge_l(Scored(q["question"], a.plain, q["answer"])) for a, q in zip(answers, questions, strict=True)
            ) / len(answers)
            judged = [s.supported for a in answers for s in a.sentences if s.supported is not None]
            print(f"{count:8}  {score:7.3f}  {sum(judged)}/{len(judged):<6}  {seconds:7.0f}", flush=True)


if __name__ == "__main__":
    main()
