"""Right, wrong or refused: the rule on answers of both languages, and the four cells that are counted from it."""

import pytest

from tuneloop.evaluate.cells import correctness
from tuneloop.evaluate.correctness import judge
from tuneloop.evaluate.items import Item

PRESSURE = ("At what pressure does the P7 pump stop?", "The P7 pump stops at 40 bar; `pump --limit` changes this.")
LEAVE = ("How many days of leave do new employees get?", "New employees get 25 days of leave a year.")
FLAG = ("Which flag turns the log off?", "Use `run --no-log`, which turns the log off.")
SHARED = (
    "Can two people share a key?",
    "No, a key belongs to one person; a second person asks for a key of their own.",
)
SAFE = ("Is it safe to open the valve under load?", "Yes, the valve may be opened under load.")
WHY = ("Why is the filter replaced?", "A blocked filter starves the pump of oil, so its bearings wear out.")
ZH_DAYS = ("新员工每年有多少天年假？", "新员工每年有 25 天年假，可以用 `leave` 命令查询。")
ZH_SHARED = ("两个人可以共用一个密钥吗？", "不可以，一个密钥只属于一个人。")
ZH_HOW = ("怎样关闭日志？", "运行 `run --no-log` 就可以关闭日志。")


@pytest.mark.parametrize(
    ("asked", "answer", "mark", "problem"),
    [
        (PRESSURE, "It stops at 40 bar. [1]", "right", ""),
        (PRESSURE, "The P7 pump stops at 60 bar. [1]", "wrong", "number"),
        (PRESSURE, "The P7 pump is filled with oil and serviced every year.", "wrong", "words"),
        (LEAVE, "Twenty-five days a year.", "right", ""),
        (LEAVE, "They get 25 days, or 30 days.", "wrong", "number"),
        (FLAG, "`--no-log` does.", "right", ""),
        (FLAG, "A flag turns the log off.", "wrong", "code"),
        (SHARED, "No.", "right", ""),
        (SHARED, "Two people cannot share a key.", "right", ""),
        (SHARED, "Yes, two people can share a key.", "wrong", "opposite"),
        (SHARED, "Two people can share a key.", "wrong", "opposite"),
        (SAFE, "The valve must not be opened under load.", "wrong", "opposite"),
        (WHY, "Because a blocked filter starves the pump of oil.", "right", ""),
        (WHY, "The filter is replaced at every service.", "wrong", "words"),
        (WHY, "The documents do not answer this.", "refused", ""),
        (WHY, "I'm sorry, the passages do not mention the filter.", "refused", ""),
        (WHY, " [1]", "wrong", "empty"),
        (ZH_DAYS, "25 天。", "right", ""),
        (ZH_DAYS, "新员工每年有二十五天年假。", "right", ""),
        (ZH_DAYS, "新员工每年有 15 天年假。", "wrong", "number"),
        (ZH_SHARED, "不能共用。", "right", ""),
        (ZH_SHARED, "可以，两个人可以共用一个密钥。", "wrong", "opposite"),
        (ZH_HOW, "使用 `run --no-log`。", "right", ""),
        (ZH_HOW, "日志可以关闭。", "wrong", "code"),
        (ZH_HOW, "文档中没有回答这个问题的内容。", "refused", ""),
    ],
)
def test_an_answer_is_held_against_its_reference(asked: tuple[str, str], answer: str, mark: str, problem: str) -> None:
    verdict = judge(*asked, answer)
    assert (verdict.mark, verdict.problem) == (mark, problem)


def items(pages: int, *, base: str, tuned: str) -> list[Item]:
    return [
        Item(id=f"{page}-{n}", question="How heavy is it?", reference="It weighs 900 grams.", pages=[f"{page}.md"],
             against="I do not know.", answer="It weighs 5 grams.", against_cited=base, cited=tuned,
             sentence="It is red.")
        for page in range(pages) for n in range(2)
    ]  # fmt: skip


def test_four_cells_are_counted_over_the_questions_that_both_models_answered() -> None:
    some = items(6, base="It weighs 900 grams.", tuned="It weighs 900 grams.")
    some[0].cited = None  # a fault of the server: the question counts for neither model
    some[1].against_cited = "The documents do not answer this."
    some.append(Item(id="x", question="Who won?", reference="-", answerable=False, cited="Ann.",
                     against_cited="The documents do not answer this."))  # fmt: skip
    found = correctness(some, 200, 0)
    cells = {field: (cell["right"], cell["refused"], cell["items"]) for field, cell in found["cells"].items()}
    assert cells == {
        "against": (0, 12, 12), "answer": (0, 0, 12), "against_cited": (10, 1, 11), "cited": (11, 0, 11),
        "sentence": (0, 0, 11),
    }  # fmt: skip
    assert found["differences"]["with_documents"]["items"] == 11
    assert found["differences"]["with_documents"]["clusters"] == 6
    tuned, base = found["refusals"]["cited"], found["refusals"]["against_cited"]
    assert (tuned["refused"], tuned["answerable"], tuned["answered"], tuned["unanswerable"]) == (0, 11, 1, 1)
    assert (base["refused"], base["answerable"], base["answered"], base["unanswerable"]) == (1, 12, 0, 1)
    assert base["refused_interval"][0] < 1 / 12 < base["refused_interval"][1] and base["answered_interval"] is None


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("The answer is no.", True), ("The answer is: No.", True), ("The answer is yes.", False),
        ("答案是不需要。", True),
        ("答案是否定的。", True), ("正确答案是：需要。", False),
    ],
)  # fmt: skip
def test_words_before_the_answer_do_not_count(answer: str, right: bool) -> None:
    """Found outside: "The answer is no." of the base model was wrong, where the "No." of the tuned one was right."""
    zh = answer[0] > "z"
    question = "吊销密钥之后需要重启网关吗？" if zh else "Must I restart the gateway after I revoke a key?"
    reference = "不需要，几秒之内就会被拒绝。" if zh else "No, it is refused within some seconds, without a restart."
    assert judge(question, reference, answer).right == right


METHOD = ("Which method is used by default?", "LoRA is used by default; `--method` chooses another.")
MADE = ("How many parts does a single press make?", "A press takes sheets, folds them and makes exactly one new part.")
RESTART = (
    "Must I restart the pump after the limit was changed?",
    "No restart is needed; the limit is read every second.",
)
CLOSES = ("When the tank is full, does the valve close by itself?", "Yes, the valve closes when the tank is full.")
NEEDED = ("Is a second pump needed to fill the tank?", "No. One pump does it in ten minutes.")
ZH_CLOSES = ("油箱满了之后，阀门会自动关闭吗？", "不会，要用手关闭。")
ZH_MADE = ("一台压机会生成几个零件？", "压机取来板材，恰好生成一个新零件。")
ZH_WINS = ("参数和配置文件不一致时，以哪个为准？", "以参数为准，其次是配置文件。")
DRY = ("How can I see what would be deleted without deleting it?", "Run `store clean --dry-run`; it only tells.")
ZH_BOTH = ("怎样同时安装两个扩展？", "两个扩展之间用逗号连接，命令是 `setup 'pump[oil,air]'`。")


@pytest.mark.parametrize(
    ("asked", "answer", "right"),
    [
        (METHOD, "LoRA.", True), (METHOD, "Full training.", False),
        (MADE, "One.", True), (MADE, "1", True), (MADE, "Two.", False), (MADE, "It makes 100 parts.", False),
        (ZH_MADE, "一个。", True), (ZH_MADE, "两个。", False),
        (ZH_WINS, "参数", True), (ZH_WINS, "配置文件", False),
        (ZH_BOTH, "`setup 'pump[oil,air]'`", True), (ZH_BOTH, "`setup 'pump'`", False),
        (DRY, "`--dry-run` shows it.", True), (DRY, "`store clean` deletes what nobody needs.", False),
    ],
)  # fmt: skip
def test_what_was_asked_for_is_right_alone_and_something_near_it_is_wrong(
    asked: tuple[str, str], answer: str, right: bool
) -> None:
    assert judge(*asked, answer).right == right


@pytest.mark.parametrize(
    ("asked", "answer", "right"),
    [
        (RESTART, "You do not have to restart the pump.", True), (RESTART, "You must restart the pump.", False),
        (RESTART, "It is not necessary to restart the pump.", True), (RESTART, "No.", True), (RESTART, "Yes.", False),
        (CLOSES, "The valve closes by itself.", True), (CLOSES, "The valve does not close by itself.", False),
        (CLOSES, "The tank is full.", False), (CLOSES, "The answer to your question is yes.", True),
        (NEEDED, "A second pump is not necessary to fill the tank.", True), (NEEDED, "A second pump is needed.", False),
        (ZH_CLOSES, "油箱满了之后，阀门不会自动关闭。", True), (ZH_CLOSES, "阀门会自动关闭。", False),
        (ZH_CLOSES, "当然会！", False), (ZH_CLOSES, "当然不会！", True),
    ],
)  # fmt: skip
def test_a_yes_or_no_may_be_said_in_the_words_of_the_question(asked: tuple[str, str], answer: str, right: bool) -> None:
    assert judge(*asked, answer).right == right


ZH_METHOD = ("微调用的是什么方法？", "`setup train` 使用 LoRA，冻结基座模型的权重，只学习小型附加矩阵。")


@pytest.mark.parametrize(
    ("reference", "right", "wrong"),
    [
        ("The pump stops at 40 bar.", "40 bar", "It stops at 40 psi."),
        ("The tank holds 20 litres.", "20 liters", "The tank holds 20 gallons."),
        ("The dose is 5 mg.", "5 mg", "5 ml"), ("The dose is 5 mg per day.", "5 mg a day", "The dose is 5 g per day."),
        ("The fee is 5 EUR per month.", "5 euros per month", "5 EUR per year."),
        ("The fee is 5 EUR per year.", "5 EUR", "5 USD per year"),
        ("剂量为每日5mg。", "每天5毫克。", "每周5mg。"), ("备份保留14天。", "十四天。", "14年。"),
        ("The alarm sounds above 60 °C.", "Above 60 °C.", "The alarm sounds below 60 °C."),
    ],
)  # fmt: skip
def test_a_number_is_right_only_with_its_unit_its_period_and_its_bound(reference: str, right: str, wrong: str) -> None:
    question = "是多少？" if reference[0] > "z" else "How much is it?"
    assert judge(question, reference, right).right
    assert judge(question, reference, wrong).problem == "number"


def test_which_method_is_answered_by_its_name() -> None:
    assert judge(*ZH_METHOD, "LoRA。").right and judge(*ZH_METHOD, "微调使用 LoRA。").right
    assert not judge(*ZH_METHOD, "冻结基座模型的权重，只学习小型附加矩阵。").right
