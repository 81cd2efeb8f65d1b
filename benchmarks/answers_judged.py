"""What the rule of `tuneloop evaluate` calls right, beside what a judge does who has not seen what the rule says.

    python benchmarks/answers_judged.py draw ITEMS.parquet sheet.jsonl key.jsonl [--count 50] [--seed 0] [--by-model]
    (the judge reads sheet.jsonl: number, question, reference, answer; and writes "3 right" or "3 wrong", a line each)
    python benchmarks/answers_judged.py agree sheet.jsonl key.jsonl judged.txt [--table]

Half are drawn from what the rule calls right and half from the rest, from both models with and without the documents;
with --by-model half from each model's answers with the documents, whatever the rule calls them. A question comes twice
only where there are too few. The sheet says nothing of rule or model. `agree` prints agreement with Wilson's interval,
Cohen's kappa, for each model too, and the same for what the rule must be better than: a token F1 of 0.5, and a
reference that stands in the answer word for word.
"""

import argparse
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneloop.evaluate.cells import CELLS, WITH_DOCUMENTS, mark_items
from tuneloop.evaluate.items import Item
from tuneloop.evaluate.rates import wilson
from tuneloop.evaluate.scorers import Scored
from tuneloop.evaluate.scorers.token_f1 import TokenF1
from tuneloop.records import read_rows

Z = 1.959964  # 95%
ASKED = {
    "answer": "tuned", "against": "base", "cited": "tuned, with documents", "against_cited": "base, with documents",
}  # fmt: skip


def answers(file: Path) -> list[dict[str, Any]]:
    """Every answer to an answerable question, with what the rule of today calls it."""
    items = list(read_rows(file, Item))
    mark_items(items)
    return [
        {
            "id": item.id, "field": verdict.field, "question": item.question, "reference": item.reference,
            "answer": getattr(item, verdict.field), "rule": verdict.mark, "problem": verdict.problem,
        }
        for item in items for verdict in item.verdicts if verdict.field in CELLS
    ]  # fmt: skip


def pick(pool: list[dict[str, Any]], wanted: int, seen: set[str]) -> list[dict[str, Any]]:
    """``wanted`` of a shuffled pool, new questions first."""
    fresh = []
    for row in pool:
        if row["id"] not in seen:
            seen.add(row["id"])
            fresh.append(row)
    taken = {(row["id"], row["field"]) for row in fresh}
    return (fresh + [row for row in pool if (row["id"], row["field"]) not in taken])[:wanted]


def draw(file: Path, sheet: Path, key: Path, count: int, seed: int, by_model: bool) -> None:
    rows, drawn = answers(file), random.Random(seed)
    drawn.shuffle(rows)
    good = [row for row in rows if row["rule"] == "right"]
    chosen = each_model(rows, count) if by_model else each_verdict(rows, good, count)
    drawn.shuffle(chosen)
    share = len(good) / len(rows)
    with sheet.open("w", encoding="utf-8") as shown, key.open("w", encoding="utf-8") as hidden:
        for number, row in enumerate(chosen, 1):
            seen = {"n": number, **{name: row[name] for name in ("question", "reference", "answer")}}
            told = {"n": number, "share": share, **{name: row[name] for name in ("field", "rule", "problem")}}
            shown.write(json.dumps(seen, ensure_ascii=False) + "\n")
            hidden.write(json.dumps(told, ensure_ascii=False) + "\n")


def each_verdict(rows: list[dict[str, Any]], good: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Half from what the rule calls right."""
    chosen = pick(good, count // 2, set())
    ids = {row["id"] for row in chosen}
    return chosen + pick([row for row in rows if row["rule"] != "right"], count - len(chosen), ids)


def each_model(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Half from each model's answers with the documents."""
    return [row for f in WITH_DOCUMENTS for row in pick([r for r in rows if r["field"] == f], count // 2, set())]


def load(file: Path) -> dict[int, dict[str, Any]]:
    return {row["n"]: row for row in map(json.loads, file.read_text(encoding="utf-8").splitlines())}


def kappa(one: Sequence[bool], two: Sequence[bool]) -> float:
    """Cohen's kappa of two judges; 0 where chance alone agrees always."""
    n = len(one)
    seen = sum(a == b for a, b in zip(one, two, strict=True)) / n
    chance = sum(one) * sum(two) / n**2 + (n - sum(one)) * (n - sum(two)) / n**2
    return (seen - chance) / (1 - chance) if chance < 1 else 0.0


def line(name: str, rule: list[bool], hand: list[bool]) -> str:
    n, same = len(hand), sum(a == b for a, b in zip(rule, hand, strict=True))
    low, high = wilson(same / n, n, Z)
    called, right = sum(rule), sum(a and b for a, b in zip(rule, hand, strict=True))
    missed = sum(b and not a for a, b in zip(rule, hand, strict=True))
    between = f"{100 * low:.0f} to {100 * high:.0f}%"
    found = f"{right} of {called} | {missed} of {n - called}"
    return f"| {name} | {n} | {same} ({between}) | {kappa(rule, hand):.2f} | {found} |"


def compare(name: str, judged: list[tuple[dict[str, Any], dict[str, Any], bool]]) -> None:
    """The rule and the baselines beside the judge, a line each."""
    if not judged:
        return
    hand = [told for _row, _found, told in judged]
    print(line(f"{name}rule", [found["rule"] == "right" for _row, found, _told in judged], hand))
    pairs = [(row["answer"], row["reference"]) for row, _found, _told in judged]
    print(line(f"{name}token F1 of 0.5", [TokenF1().score(Scored("", *pair)) >= 0.5 for pair in pairs], hand))
    print(line(f"{name}holds the reference", [plain(one) in plain(other) for other, one in pairs], hand))
    print(line(f"{name}nothing is right", [False] * len(hand), hand))


def plain(text: str) -> str:
    """Its words alone, without markers of citations."""
    return " ".join(re.findall(r"\w+", re.sub(r"\[\d+\]", "", text).lower()))


def agree(sheet: Path, key: Path, judged: Path, table: bool) -> None:
    shown, hidden = load(sheet), load(key)
    lines = [text.split() for text in judged.read_text(encoding="utf-8").splitlines() if text.strip()]
    told = {int(words[0]): words[1] == "right" for words in lines}
    numbers = sorted(shown)
    for name, fields in (("", set(ASKED)), ("tuned, ", {"answer", "cited"}), ("base, ", {"against", "against_cited"})):
        compare(name, [(shown[n], hidden[n], told[n]) for n in numbers if hidden[n]["field"] in fields])
    hand = [told[n] for n in numbers]
    rule = [hidden[n]["rule"] == "right" for n in numbers]
    share, called = hidden[numbers[0]]["share"], sum(rule)
    yes = sum(a and b for a, b in zip(rule, hand, strict=True)) / max(called, 1)
    no = sum(not a and not b for a, b in zip(rule, hand, strict=True)) / max(len(hand) - called, 1)
    weighed = share * yes + (1 - share) * no
    print(f"of all answers the rule calls {100 * share:.0f}% right; agreement weighed so: {100 * weighed:.0f}%")
    for n in numbers if table else ():
        row, found = shown[n], hidden[n]
        cells = [" ".join(row[name].split()).replace("|", "\\|") for name in ("question", "reference", "answer")]
        why = f"wrong ({found['problem']})" if found["problem"] else found["rule"]
        print(f"| {n} | {' | '.join(cells)} | {ASKED[found['field']]} | {'right' if told[n] else 'wrong'} | {why} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one, two = commands.add_parser("draw"), commands.add_parser("agree")
    for name in ("items", "sheet", "key"):
        one.add_argument(name, type=Path)
    one.add_argument("--count", type=int, default=50)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--by-model", action="store_true", help="half from each model, whatever the rule calls them")
    for name in ("sheet", "key", "judged"):
        two.add_argument(name, type=Path)
    two.add_argument("--table", action="store_true", help="every answer as a row of Markdown")
    given = parser.parse_args()
    if given.command == "draw":
        draw(given.items, given.sheet, given.key, given.count, given.seed, given.by_model)
    else:
        agree(given.sheet, given.key, given.judged, given.table)


if __name__ == "__main__":
    main()
