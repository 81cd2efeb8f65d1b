"""Metrics against their reference implementations, and the stage with a scripted model."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.answer import VERSION
from tuneloop.chat import ChatError, Completion, Delta
from tuneloop.errors import TuneloopError
from tuneloop.evaluate.alike import Questions
from tuneloop.evaluate.contamination import turns
from tuneloop.evaluate.items import Item
from tuneloop.evaluate.overlap import longest_common, tokenize
from tuneloop.evaluate.scorers import BUILT_IN, SCORERS, Scored
from tuneloop.evaluate.scorers.bleu import corpus_bleu_4
from tuneloop.evaluate.stage import Evaluate, key
from tuneloop.knowledge.opened import FORMAT
from tuneloop.models import ModelCard, write_card
from tuneloop.records import Example, Message, Score, Source, Trained, read_rows, write_rows
from tuneloop.stage import Stage

WORDS = ["the", "pump", "stops", "at", "forty", "bar", "valve", "opens", "水", "泵", "在", "停"]
TEXT = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)
METRICS = {
    name: lambda answer, reference, name=name: SCORERS.find(name)().score(Scored("", answer, reference))
    for name in BUILT_IN
}
FRACTIONS = {name: metric for name, metric in METRICS.items() if name != "answer_tokens"}
ENGLISH = st.lists(st.sampled_from(WORDS[:8]), min_size=1, max_size=14).map(" ".join)


# -- metrics -------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(ENGLISH, ENGLISH)
def test_rouge_l_is_that_of_rouge_score(answer: str, reference: str) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    expected = RougeScorer(["rougeL"]).score(reference, answer)["rougeL"]
    assert METRICS["rouge_l"](answer, reference) == pytest.approx(expected.fmeasure)
    assert METRICS["rouge_l_recall"](answer, reference) == pytest.approx(expected.recall)


@settings(max_examples=80, deadline=None)
@given(TEXT.filter(bool), TEXT.filter(bool))
def test_bleu_4_is_that_of_sacrebleu_on_the_same_tokens(answer: str, reference: str) -> None:
    from sacrebleu.metrics.bleu import BLEU

    bleu = BLEU(tokenize="none", force=True, smooth_method="add-k", smooth_value=1)
    told, meant = " ".join(tokenize(answer)), " ".join(tokenize(reference))
    expected = bleu.sentence_score(told, [meant]).score / 100
    enough = len(told.split()) >= 4  # sacreBLEU gives 0 to an answer that has no four words in a row
    if enough or told == meant:
        assert METRICS["bleu_4"](answer, reference) == pytest.approx(expected if enough else 1.0)


def test_corpus_bleu_is_that_of_sacrebleu() -> None:
    from sacrebleu.metrics.bleu import BLEU

    generator = random.Random(5)
    pairs = []
    for _n in range(40):
        reference = generator.choices(WORDS[:8], k=generator.randint(6, 16))
        answer = [w if generator.random() < 0.8 else generator.choice(WORDS[:8]) for w in reference]
        pairs.append((" ".join(answer[: generator.randint(5, 16)]), " ".join(reference)))
    answers, references = zip(*pairs, strict=True)
    expected = BLEU(tokenize="none", force=True, smooth_method="none").corpus_score(answers, [references]).score / 100
    assert 0.1 < expected < 0.9 and corpus_bleu_4(pairs) == pytest.approx(expected)


@given(TEXT, TEXT)
def test_metrics_lie_between_zero_and_one_and_equal_texts_have_one(answer: str, reference: str) -> None:
    for name, metric in FRACTIONS.items():
        assert 0 <= metric(answer, reference) <= 1, name
        assert metric(reference, reference) == 1, name
        if name not in ("bleu_4", "rouge_l_recall"):  # which punish short answers, not long ones
            assert metric(answer, reference) == pytest.approx(metric(reference, answer)), name
    if reference and not answer:
        assert not any(metric(answer, reference) for metric in FRACTIONS.values())
    assert METRICS["answer_tokens"](answer, reference) == len(tokenize(answer))


def test_recall_tells_knowledge_from_brevity() -> None:
    reference, short = "The pump stops at forty bar.", "The pump stops at nine."
    rambling = "The pump stops at nine. " + "It is a pump and it is good. " * 5
    f1, recall = METRICS["rouge_l"], METRICS["rouge_l_recall"]
    assert f1(short, reference) > 2 * f1(rambling, reference)
    assert recall(short, reference) == recall(rambling, reference) == 4 / 6


@given(st.text("abcd", max_size=12), st.text("abcd", max_size=12))
def test_the_longest_common_subsequence_is_the_longest(one: str, two: str) -> None:
    table = [[0] * (len(two) + 1) for _n in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(two):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    assert longest_common(list(one), list(two)) == table[-1][-1]


def test_chinese_is_compared_by_character_and_names_stay_whole() -> None:
    assert tokenize("用 `--max-tokens` 限制 Tuneloop。") == ["用", "--max-tokens", "限", "制", "tuneloop"]
    assert METRICS["rouge_l"]("水泵停机", "水泵在停机") == pytest.approx(8 / 9)
    assert METRICS["exact_match"]("Ｐｕｍｐ  stops.", "pump stops") == 1


# -- the stage -----------------------------------------------------------------------------------------------------


class ScriptedModel:
    """A client whose answers are known. ``answers`` maps a question to text, or to an error."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers, self.asked = answers, []
        self.ends: dict[str, str] = {}

    async def complete(self, messages: list[dict[str, str]], **options: Any) -> Completion:
        assert options["temperature"] == 0.0
        question = messages[-1]["content"]
        self.asked.append(question)
        said = self.answers.get(question, "I do not know.")
        if isinstance(said, Exception):
            raise said
        return Completion(said, completion_tokens=5, finish_reason=self.ends.get(question, "stop"))

    async def stream(self, messages: list[dict[str, str]], **options: Any) -> Any:
        text = messages[-1]["content"]
        self.asked.append(text)
        yield Delta(next(said for question, said in self.answers.items() if question in text))
        yield Delta(finish_reason="stop")


@pytest.fixture
def models(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, ScriptedModel]:
    from contextlib import contextmanager

    known: dict[str, ScriptedModel] = {}

    @contextmanager
    def chat(model: str, **options: Any) -> Any:
        yield known[model]

    monkeypatch.setattr(ctx, "chat", chat)
    return known


def example(key: str, question: str, answer: str, page: str = "", answerable: bool = True) -> Example:
    messages = [Message(role="user", content=question), Message(role="assistant", content=answer)]
    return Example(id=key, messages=messages, sources=[Source(name=page)] if page else [], answerable=answerable)


EXAM = [
    example("1", "When does the pump stop?", "The pump stops at forty bar.", "pump.md"),
    example("2", "When does the valve open?", "The valve opens at three bar.", "corpus/docs/valve.md"),
    example("3", "Who cleans the filter?", "A technician cleans the filter.", "filter.md"),
    example("4", "Who won the football cup of 1998?", "The documents do not say.", answerable=False),
]


def add_exam(ctx: Any, rows: list[Example]) -> str:
    folder = ctx.out.parent / f"exam-{len(list(ctx.out.parent.iterdir()))}"
    folder.mkdir()
    write_rows(folder / "examples.parquet", Example, rows)
    return ctx.add("dataset", folder)


def items_of(ctx: Any) -> dict[str, Item]:
    return {item.id: item for item in read_rows(ctx.out / "items.parquet", Item)}


def test_two_models_are_compared_on_the_same_items(ctx: Any, models: dict[str, ScriptedModel]) -> None:
    answers = {e.question: e.answer for e in EXAM}
    models["model:tuned"] = ScriptedModel({**answers, "Who cleans the filter?": "<script>alert(1)</script>"})
    models["model:base"] = ScriptedModel({"When does the pump stop?": ""})
    bad = Example(id="9", messages=[Message(role="user", content="And?")])
    again = EXAM[0].model_copy(update={"id": "8", "origin": "synthesize/grounded"})
    stage = Evaluate(model="model:tuned", against="model:base", dataset=add_exam(ctx, [*EXAM, bad, again]))
    summary = stage.run(ctx)
    assert summary["items"] == 4 and summary["errors"] == 0 and len(ctx.rejected) == 1
    rouge = summary["metrics"]["rouge_l"]
    assert rouge["model"] == pytest.approx(2 / 3, abs=1e-6) and rouge["against"] == 0
    assert rouge["difference"] == rouge["model"] and rouge["interval"] is None and rouge["items"] == 3
    assert [w.partition(":")[0] for w in summary["warnings"]] == ["answers without text, which count as nothing"]
    assert rouge["unknown"].startswith("too few questions or pages")
    length = summary["metrics"]["answer_tokens"]
    assert length["reference"] == pytest.approx((6 + 6 + 5) / 3) and length["against"] == pytest.approx(8 / 3)
    items = items_of(ctx)
    assert "empty" in items["1"].error and not items["1"].failed, "an answer without text counts, and is told"
    assert items["4"].answer is None, "what the documents do not answer is no matter of text metrics"
    scores = list(read_rows(ctx.out / "scores.parquet", Score))
    assert len(scores) == 3 * 2 * (len(METRICS) + 1) + 3 * 2, "and whether it is right, and the two baselines"
    assert {s.value for s in scores if s.item == "1" and s.model == "against"} == {0.0}
    page = (ctx.out / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page and "&lt;script&gt;" in page and "http" not in page
    assert "<span lang=en>reference</span><span lang=zh>参考答案</span>" in page, "the same page for every reader"
    assert "<span lang=zh>against：回答为空</span>" in page
    told = json.loads((ctx.out / "evaluation.json").read_text(encoding="utf-8"))
    assert told["definitions"]["tokenization"] and told["settings"]["temperature"] == 0.0
    assert all(v["p"] is v["interval"] is None for v in told["metrics"].values()), "of three pages nothing is known"


def test_what_is_called_better_is_what_its_test_says(ctx: Any, models: dict[str, ScriptedModel]) -> None:
    draw, exam = random.Random(1), []
    tuned, base = ScriptedModel({}), ScriptedModel({})
    for n in range(40):
        exam.append(example(str(n), f"What is number {n}?", f"It is a pump of {n} bar.", f"{n % 10}.md"))
        question, right = exam[-1].question, exam[-1].answer
        tuned.answers[question] = right if draw.random() < 0.75 else "Nothing."
        one_of_three = (right, 0.3), (f"A number. {right}", 0.6), ("Nothing.", 1)
        base.answers[question] = next(text for text, share in one_of_three if draw.random() < share)
    models["model:tuned"], models["model:base"] = tuned, base
    Evaluate(model="model:tuned", against="model:base", dataset=add_exam(ctx, exam), primary="exact_match").run(ctx)
    body = json.loads((ctx.out / "evaluation.json").read_text(encoding="utf-8"))
    metrics, page = body["metrics"], (ctx.out / "report.html").read_text(encoding="utf-8")
    assert body["primary"] == "exact_match" and page.count("<span lang=en>decides</span>") == 1
    main = metrics["exact_match"]
    assert main["verdict"] == "better" and main["p_adjusted"] == main["p"] < 0.05 and main["interval"][0] > 0
    assert "verdict" not in metrics["answer_tokens"], "longer is not better"
    others = [v for k, v in (metrics | body["baselines"]).items() if k not in ("exact_match", "answer_tokens")]
    others += body["correctness"]["differences"].values()
    for part in others:
        assert part["p_adjusted"] >= part["p"]
        assert (part["verdict"] == "no difference shown") == (part["p_adjusted"] >= 0.05)
    assert any(p["p"] < 0.05 and p["verdict"] == "no difference shown" for p in others), "one of several by chance"
    assert page.count("<span lang=zh>优于</span>") == sum(p["verdict"] == "better" for p in [main, *others]) > 1


def test_what_no_training_gives_is_said_beside_the_scores(ctx: Any, models: dict[str, ScriptedModel]) -> None:
    exam = [example(str(n), f"When does pump {n} stop?", f"Pump {n} stops at {n} bar.", f"{n}.md") for n in range(9)]
    models["model:tuned"] = ScriptedModel({e.question: e.answer.replace("bar", "inch") for e in exam})
    models["model:base"] = ScriptedModel({e.question: f"{e.answer} And then it goes on and on." for e in exam[1:]})
    stage = Evaluate(model="model:tuned", against="model:base", dataset=add_exam(ctx, exam))
    found = stage.run(ctx)["baselines"]
    rouge = METRICS["rouge_l"]
    assert found["echo"]["against"] == pytest.approx(sum(rouge(e.question, e.answer) for e in exam) / 9, abs=1e-6)
    first = [e.answer for e in exam[1:]] + ["I do not know."]
    assert found["first_sentence"]["against"] == pytest.approx(
        sum(rouge(a, e.answer) for a, e in zip(first, exam[1:] + exam[:1], strict=True)) / 9, abs=1e-6
    )
    assert found["echo"]["verdict"] == "better" and found["first_sentence"]["verdict"] == "no difference shown"
    alone = Evaluate(model="model:tuned", dataset=stage.dataset).run(ctx)
    assert (
        set(alone["baselines"]) == {"echo"} and alone["baselines"]["echo"]["difference"] == found["echo"]["difference"]
    )
    assert "the question, repeated as the answer" in (ctx.out / "report.html").read_text(encoding="utf-8")


def test_answers_that_the_limit_cut_are_counted(ctx: Any, models: dict[str, ScriptedModel]) -> None:
    models["model:tuned"] = model = ScriptedModel({e.question: e.answer for e in EXAM})
    model.ends = {EXAM[0].question: "length", EXAM[1].question: ""}
    stage = Evaluate(model="model:tuned", dataset=add_exam(ctx, EXAM))
    assert stage.run(ctx)["cut"] == {"model": {"answers": 3, "cut": 1, "unknown": 1}}
    assert items_of(ctx)["1"].cut == ["answer"] and not items_of(ctx)["3"].cut
    told = "were cut at the limit of tokens: 1 of 3; not known: 1."
    assert told in (ctx.out / "report.html").read_text(encoding="utf-8")
    for journal in (*ctx.kept.rglob("*.jsonl"), *ctx.store.cache.rglob("*.jsonl")):  # as before this was kept
        rows = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        old = [json.dumps([key, {k: v for k, v in answer.items() if k != "finish"}]) for key, answer in rows]
        journal.write_text("\n".join(old) + "\n", encoding="utf-8")
    assert stage.run(ctx)["cut"]["model"] == {"answers": 3, "cut": 0, "unknown": 3}


def make_model(ctx: Any, base: str = "", rows: list[Trained] | None = None) -> str:
    """A model that says what it was made from, and what it was trained on."""
    folder = ctx.out.parent / f"model-{len(list(ctx.out.parent.iterdir()))}"
    folder.mkdir()
    write_card(folder, ModelCard(name=folder.name, base=base))
    if rows is not None:
        write_rows(folder / "trained.parquet", Trained, rows)
    return ctx.add("model", folder)


def test_what_a_model_was_trained_on_is_named_and_left_out(ctx: Any, models: dict[str, ScriptedModel]) -> None:
    exam = [example(str(n), f"What is number {n}?", f"It is {n}.", f"{n}.md") for n in range(10)]
    passages = "Answer.\n\n<passages>\n[1]\nIt is 3.\n\n</passages>\n\nQuestion: What is number 3?"
    learned = [
        example("a", "what is the number 0", "It is 0."), example("b", passages, "It is 3."),
        example("c", "What is number 7?", "It is 7."), example("d", "What is number 10?", "It is 10."),
    ]  # fmt: skip
    dataset = add_exam(ctx, learned)
    rows = [
        Trained(
            example=e.id, dataset=dataset, part="validation" if e.id == "c" else "train", tokens=9, learned_tokens=5
        )
        for e in learned
    ]
    base = make_model(ctx)
    adapter = make_model(ctx, base, rows)
    tuned = make_model(ctx, adapter, None)  # as compress makes it
    other = make_model(ctx, base, [rows[0].model_copy(update={"example": "d"})])
    for model in (tuned, other, base):
        models[model] = ScriptedModel({e.question: e.answer for e in exam})
    stage = Evaluate(model=other, against=tuned, dataset=add_exam(ctx, exam))
    summary = stage.run(ctx)
    assert summary["items"] == 8 and summary["learned"]["count"] == 2 and not summary["learned"]["gone"]
    assert {(row["id"], row["learned"]) for row in summary["learned"]["items"]} == {
        ("0", "what is the number 0"), ("3", "What is number 3?"),
    }, "whichever of the two has learned it; what was only validated on was not learned"  # fmt: skip
    assert "questions that a model was trained on, and that are left out: 2" in summary["warnings"]
    assert models[tuned].asked == models[other].asked == [e.question for e in exam if e.id not in "03"]
    assert sorted(row[0] for row in ctx.rejected) == ["0", "3"], "shown where what is set aside is shown"
    items = items_of(ctx)
    assert len(items) == 10 and items["3"].learned == "What is number 3?" and items["3"].answer is None
    assert not {s.item for s in read_rows(ctx.out / "scores.parquet", Score)} & {"0", "3"}
    page = (ctx.out / "report.html").read_text(encoding="utf-8")
    assert page.count("left out, because a model was trained on this question") == 2
    assert page.count("不计入得分，因为模型用这道题训练过") == 2
    with pytest.raises(TuneloopError, match="trained on every question"):
        Evaluate(model=tuned, dataset=add_exam(ctx, [exam[0], exam[3]])).run(ctx)


def test_where_what_was_learned_is_gone_that_is_said(ctx: Any, models: dict[str, ScriptedModel]) -> None:
    import shutil

    dataset = add_exam(ctx, [example("a", "What?", "That.")])
    rows = [Trained(example="a", dataset=dataset, part="train", tokens=9, learned_tokens=5)]
    model = make_model(ctx, make_model(ctx), rows)
    shutil.rmtree(ctx.path(dataset))
    models[model] = ScriptedModel({e.question: e.answer for e in EXAM})
    summary = Evaluate(model=model, dataset=add_exam(ctx, EXAM)).run(ctx)
    assert summary["learned"] == {"count": 0, "items": [], "gone": [dataset[:20]]}
    assert any(dataset[:20] in warning for warning in summary["warnings"])


NEARLY_THE_SAME = [
    ("When does the pump stop?", "when does the pump stop"), ("When does the pump stop?", "When do pumps stop?"),
    ("How do I restart the gateway?", "Please tell me: how can I restart a gateway?"),
    ("Which file holds the settings?", "What file holds the settings?"),
    ("Where is the configuration kept?", "Where is the configuraton kept?"),
    ("Where is the configuration kept?", "Where is the confiugration kept?"),
    ("网关的端口是多少？", "请问网关端口是多少"), ("如何重启网关？", "怎样重启网关呢？"),
]  # fmt: skip
NOT_THE_SAME = [
    ("What is the port of the gateway?", "What is the port of the console?"),
    ("What does article 13 of the Labour Act say?", "What does article 31 of the Labour Act say?"),
    ("What is the port of node 12?", "What is the port of node 13?"), ("What is hepatitis A?", "What is hepatitis B?"),
    ("What is Hodgkin lymphoma?", "What is non-Hodgkin lymphoma?"), ("What is asthma?", "What to do for asthma?"),
    ("How far is it from Paris to London?", "How far is it from London to Paris?"),
    ("Is the log kept?", "Is the log not kept?"), ("Can I upload a model?", "Can I unload a model?"),
    ("劳动法第十三条规定了什么？", "劳动法第三条规定了什么？"), ("网关的端口是多少？", "索引的端口是多少？"),
    ("孕妇可以使用本品吗？", "孕妇不可以使用本品吗？"), ("从上海到北京多远？", "从北京到上海多远？"),
]  # fmt: skip


def test_a_question_is_known_again_in_another_form_and_not_taken_for_its_neighbour() -> None:
    for known, asked in NEARLY_THE_SAME:
        assert Questions([known]).find(asked) == known, asked
        assert Questions([asked]).find(known) == asked, known
    for known, asked in NOT_THE_SAME:
        assert Questions([known]).find(asked) == "", asked


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_two_questions_of_our_own_exam_are_taken_for_one(language: str) -> None:
    file = REPOSITORY / "examples" / "help-desk" / f"exam.{language}.jsonl"
    asked = [json.loads(line)["question"] for line in file.read_text(encoding="utf-8").splitlines()]
    known = Questions()
    for question in asked:
        assert known.find(question) == ""
        known.add(question)
    assert len(known.asked) == len(asked) == 120


def test_a_follow_up_is_known_only_with_what_came_before() -> None:
    def talk(*texts: str) -> Example:
        roles = ("user", "assistant")
        return Example(id="1", messages=[Message(role=roles[n % 2], content=t) for n, t in enumerate(texts)])

    known = Questions(turns(talk("What is a pump?", "A machine.", "Why?", "Because.")))
    assert [bool(known.find(turns(talk(*texts))[-1])) for texts in (
        ("What is a pump?", "x"), ("what is a pump", "y", "why", "z"), ("Why?", "x"),
        ("What is a valve?", "x", "Why?", "y"),
    )] == [True, True, False, False]  # fmt: skip


def test_an_evaluation_is_the_same_whoever_made_it(
    ctx: Any, models: dict[str, ScriptedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    models["model:tuned"] = ScriptedModel({"When does the pump stop?": ""})
    dataset, made = add_exam(ctx, [*EXAM, Example(id="9", messages=[Message(role="user", content="And?")])]), []
    for language in ("en", "zh"):
        monkeypatch.setenv("TUNELOOP_LANGUAGE", language)
        ctx.rejected.clear()
        Evaluate(model="model:tuned", dataset=dataset).run(ctx)
        files = {path.name: path.read_bytes() for path in ctx.out.iterdir() if path.is_file()}
        made.append((files, [reason for _where, reason, _row in ctx.rejected]))
    assert made[0] == made[1] and "report.html" in made[0][0] and made[0][1]


def test_a_fault_of_a_server_is_no_fault_of_a_model(ctx: Any, models: dict[str, ScriptedModel]) -> None:
    exam = [example(str(n), f"What is {n}?", f"It is {n}.", f"{n}.md") for n in range(20)]
    right: dict[str, Any] = {e.question: e.answer for e in exam}
    broken = {e.question: ChatError("it broke", status=500) for e in exam}
    models["model:tuned"] = ScriptedModel({**right, "What is 1?": broken["What is 1?"]})
    models["model:base"] = ScriptedModel({**right, "What is 2?": broken["What is 2?"]})
    stage = Evaluate(model="model:tuned", against="model:base", dataset=add_exam(ctx, exam), concurrency=1)
    summary = stage.run(ctx)
    rouge = summary["metrics"]["rouge_l"]
    assert (rouge["model"], rouge["against"], rouge["items"], summary["errors"]) == (1, 1, 18, 2)
    assert summary["warnings"] == ["questions that were not answered, and are left out: 2"]
    assert summary["warnings"][0] in (ctx.out / "report.html").read_text(encoding="utf-8")
    left = {i.id: i for i in items_of(ctx).values() if i.left_out}
    assert set(left) == {"1", "2"} and left["1"].answer is None and "it broke" in left["1"].error
    assert not {s.item for s in read_rows(ctx.out / "scores.parquet", Score)} & {"1", "2"}

    models["model:flaky"] = flaky = ScriptedModel({**right, **dict(list(broken.items())[5:])})
    stage = Evaluate(model="model:flaky", against="model:base", dataset=stage.dataset, concurrency=1)
    with pytest.raises(TuneloopError, match=r"3 of 20 .* not answered: it broke.*run the same command again"):
        stage.run(ctx)
    assert len(flaky.asked) == 8, "where it cannot succeed any more, no further question is asked"
    models["model:flaky"] = again = ScriptedModel(right)
    assert stage.run(ctx)["errors"] == 1 and len(again.asked) == 15
    models["model:one"] = ScriptedModel({**right, **dict(list(broken.items())[:2])})
    models["model:two"] = ScriptedModel({**right, **dict(list(broken.items())[2:3])})
    with pytest.raises(TuneloopError, match="3 of 20 questions"):
        Evaluate(model="model:one", against="model:two", dataset=stage.dataset).run(ctx)


def test_a_dead_server_is_not_asked_for_a_share_of_a_large_exam(
    ctx: Any, models: dict[str, ScriptedModel], tmp_path: Path
) -> None:
    from tuneloop.evaluate.generate import DOWN, ask_all
    from tuneloop.journal import Journal

    asked, keys = 0, [str(number) for number in range(20_000)]

    async def ask(number: int) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        if number < 500 and number % 9:  # a server that fails now and then is not dead
            raise ChatError("too long", status=413)
        if number >= 1000 or number % 3 == 0:
            raise ChatError("gone", status=502)
        return {"text": "yes"}

    with pytest.raises(TuneloopError, match="questions were not answered"):
        ask_all(keys, ask, Journal(tmp_path / "journal"), concurrency=4, told=lambda done: None)
    assert 1000 < asked <= 1000 + DOWN + 4


def test_what_was_answered_is_not_asked_again(ctx: Any, models: dict[str, ScriptedModel]) -> None:
    answers: dict[str, Any] = {e.question: e.answer for e in EXAM}
    models["model:tuned"] = ScriptedModel({**answers, EXAM[2].question: ChatError("gone", status=503)})
    stage = Evaluate(model="model:tuned", dataset=add_exam(ctx, EXAM))
    with pytest.raises(TuneloopError, match="1 of 3 questions"):
        stage.run(ctx)
    models["model:tuned"] = again = ScriptedModel(answers)
    summary = stage.run(ctx)
    assert again.asked == [EXAM[2].question] and summary["metrics"]["exact_match"]["model"] == 1
    before = {p.name: p.read_bytes() for p in ctx.out.iterdir()}
    for kept in ctx.kept.rglob("*.jsonl"):
        kept.unlink()  # another run of the same model, in the same workspace
    del models["model:tuned"]  # asking would fail
    other = Evaluate(model="model:tuned", dataset=add_exam(ctx, EXAM[:3]))
    assert other.run(ctx)["items"] == 3
    assert stage.run(ctx) == summary and {p.name: p.read_bytes() for p in ctx.out.iterdir()} == before

    for kept in ctx.kept.rglob("*.jsonl"):
        kept.unlink()
    ctx.again = True  # as with --rerun
    models["model:tuned"] = third = ScriptedModel({**answers, EXAM[2].question: ChatError("gone", status=503)})
    for asked in (3, 4):  # what was answered in the rerun itself is kept: it goes on
        with pytest.raises(TuneloopError, match="1 of 3 questions"):
            stage.run(ctx)
        assert len(third.asked) == asked


def test_answers_from_passages_are_asked_for_again_when_answering_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def keys() -> list[str]:
        return [key("model:a", 96, knowledge, EXAM[0]) for knowledge in ("", "index:b")]

    before = keys()
    monkeypatch.setattr("tuneloop.answer.VERSION", VERSION + 1)
    after = keys()
    assert before[0] == after[0] and before[1] != after[1]
    monkeypatch.setattr("tuneloop.knowledge.opened.FORMAT", FORMAT + 1)
    assert keys()[1] not in (before[1], after[1])


def test_a_model_that_never_answers_is_an_error(ctx: Any, models: dict[str, ScriptedModel]) -> None:
    for status, asked in ((500, 3), (401, 1)):
        failure = ChatError("no luck", status=status)
        models["model:down"] = model = ScriptedModel({e.question: failure for e in EXAM})
        with pytest.raises(TuneloopError, match="no luck"):
            Evaluate(model="model:down", dataset=add_exam(ctx, EXAM), concurrency=1).run(ctx)
        assert len(model.asked) <= asked
    unanswerable = add_exam(ctx, [EXAM[3]])
    with pytest.raises(TuneloopError, match="no question with a reference answer"):
        Evaluate(model="model:down", dataset=unanswerable).run(ctx)


DOCUMENTS = {
    "docs/pump.md": "# Pump\n\nThe pump stops at forty bar. The pump starts again when the pressure has fallen.\n",
    "docs/valve.md": "# Valve\n\nThe valve opens at three bar and closes at two bar.\n",
    "docs/filter.md": "# Filter\n\nThe filter is made of paper. A technician cleans the filter every month.\n",
}


@pytest.fixture
def index(ctx: Any, tmp_path: Path) -> str:
    from tuneloop.documents.chunk import Chunk
    from tuneloop.documents.parse import Parse
    from tuneloop.knowledge.index import Index

    for name, text in DOCUMENTS.items():
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def make(stage: Stage) -> str:
        summary = stage.run(ctx)
        ref = ctx.add(stage.makes, ctx.out, summary)
        ctx.out.mkdir(exist_ok=True)
        return ref

    documents = make(Parse(paths=[str(tmp_path / "corpus")]))
    return make(Index(chunks=make(Chunk(documents=documents)), embedding="none"))


def test_retrieval_and_citations_are_measured_with_an_index(
    ctx: Any, models: dict[str, ScriptedModel], index: str
) -> None:
    write_card(ctx.out, ModelCard(name="tuned"))
    model = ctx.add("model", ctx.out)
    ctx.out.mkdir(exist_ok=True)
    models[model] = ScriptedModel({
        EXAM[0].question: "The pump stops at forty bar.",
        EXAM[1].question: "The valve opens at nine bar. The valve closes at two bar.",
        EXAM[2].question: "A technician cleans the filter every month.",
        EXAM[3].question: "France won.",
    })  # fmt: skip
    stage = Evaluate(model=model, dataset=add_exam(ctx, EXAM), knowledge=index, cited=4)
    summary = stage.run(ctx)
    assert summary["retrieval"]["hit@5"] == 1 and summary["retrieval"]["items"] == 3
    items = items_of(ctx)
    assert [items[n].rank for n in "1234"] == [1, 1, 1, None]
    cited = summary["citations"]
    assert cited["items"] == 4 and cited["supported"] < cited["sentences"]
    wrong = next(c for c in items["2"].citations if "nine" in c.sentence)
    assert not wrong.supported and wrong.problem == "number"
    right = items["3"].citations[0]
    text = DOCUMENTS["docs/filter.md"]
    assert right.supported and right.quote in text and cited["from_the_right_page"] == 1
    assert summary["abstention"]["items"] == 4 and 0 <= summary["abstention"]["accuracy"] <= 1
    assert items["4"].accepted is items["4"].said_unanswerable is False or items["4"].said_unanswerable
    assert 0 < cited["supported_share"] < 1 and cited["supported_share_interval"] is None, "of four pages"


def test_both_models_answer_the_same_questions_from_the_same_passages(
    ctx: Any, models: dict[str, ScriptedModel], index: str
) -> None:
    write_card(ctx.out, ModelCard(name="tuned", passages=1))
    tuned = ctx.add("model", ctx.out)
    ctx.out.mkdir(exist_ok=True)
    write_card(ctx.out, ModelCard(name="base"))
    base = ctx.add("model", ctx.out)
    ctx.out.mkdir(exist_ok=True)
    models[tuned] = ScriptedModel({e.question: e.answer for e in EXAM})
    said = ("The pump stops at nine bar.", EXAM[1].answer, "I like filters.", "France.")
    models[base] = ScriptedModel({e.question: text for e, text in zip(EXAM, said, strict=True)})
    dataset = add_exam(ctx, EXAM)
    stage = Evaluate(model=tuned, against=base, dataset=dataset, knowledge=index, cited=4, closed=2)
    found = stage.run(ctx)["correctness"]
    cells = {field: (cell["right"], cell["items"]) for field, cell in found["cells"].items()}
    assert cells == {"against": (0, 2), "answer": (2, 2), "against_cited": (1, 3), "cited": (3, 3), "sentence": (2, 3)}
    assert found["differences"]["with_documents"]["items"] == 3
    assert found["refusals"]["against_cited"]["answerable"] == 3
    item = items_of(ctx)["1"]
    assert item.against_cited and item.against_citations and not item.against_citations[0].supported
    assert item.mark("cited") == "right" and item.mark("against_cited") == "wrong"
    shown = {model: [asked for asked in models[model].asked if "<passages>" in asked] for model in (tuned, base)}
    assert sorted(shown[tuned]) == sorted(shown[base]) != []
    assert all("[1]" in asked and "[2]" not in asked for asked in shown[base]), "as many as the tuned one learned from"
