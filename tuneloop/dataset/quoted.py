"""The answers are sentences of the document; the teacher only writes the question to each. For a small teacher.

What such a model makes up it cannot get wrong here: an answer is what stands in the document. One sentence is asked
about at a time, because a small teacher loses count of several; the request is short, and the examples before it are
the same for all, so an engine reads them once.
"""

from __future__ import annotations

import json
import re
from functools import partial

from tuneloop.dataset.gates import ASKS, DEICTIC, POINTS
from tuneloop.dataset.grounding import Passage, weighty
from tuneloop.dataset.task import Pair, Reply, Task, few_shot, object_schema, title_of
from tuneloop.records import Chunk
from tuneloop.text.articles import ARTICLE

INSTRUCTION = {
    "en": (
        "Write the question that the fact answers. The question names what it asks about, taken from the title where "
        "the fact leaves it out, because its reader knows neither title nor fact. Reply in JSON."
    ),
    "zh": (
        "请写出这条事实所回答的问题。用什么、哪些、谁、何时、多少、怎样或为什么问出事实的关键内容，不要把事实照抄成问题。"
        "问题中要写出所问事物的完整名称，事实里没有时从标题中取，因为提问的人既没有看过标题，也没有看过事实。用JSON回复。"
    ),
}
REQUEST = {"en": "Title: {}\nFact: {}", "zh": "标题：{}\n事实：{}"}
EXAMPLES = {
    "en": [
        ("Heat pump > Maintenance", "The filter is cleaned every 3 months.",
         "How often is the filter of a heat pump cleaned?"),
        ("Leave policy > Sick leave",
         "Employees send a doctor's note by the third day, or the days count as unpaid leave.",
         "What happens if an employee on sick leave sends no doctor's note by the third day?"),
        ("backupctl > Restore", "`backupctl restore --at DATE` brings back all files as they were on that day.",
         "Which command of backupctl brings back files as they were on a certain day?"),
        ("Kidney stones", "Drinking two litres of water a day lowers the risk, because it thins the urine.",
         "Why does drinking water lower the risk of kidney stones?"),
    ],
    "zh": [
        ("热泵 > 保养", "滤网每3个月清洗一次。", "热泵的滤网多久清洗一次？"),
        ("休假制度 > 病假", "员工应当在第三天之前提交医生证明，否则按事假处理。",
         "员工请病假没有在第三天之前提交医生证明会怎样？"),
        ("backupctl > 恢复", "`backupctl restore --at DATE`把所有文件恢复到当天的状态。",
         "用backupctl的哪个命令可以把文件恢复到某一天的状态？"),
        ("高等学校招生办法 > 信息公开", "高等学校应当向社会公布招生计划、录取标准和录取结果。",
         "高等学校应当向社会公布哪些招生信息？"),
        ("肾结石", "每天喝两升水可以降低风险，因为这样会稀释尿液。", "为什么多喝水可以降低患肾结石的风险？"),
    ],
}  # fmt: skip

SENTENCE = {
    "en": re.compile(r"^[^\s|#>].*[.!][\"')”’`*_]*$", re.S),
    "zh": re.compile(r"^[^\s|#>].*[。！.][”’）`*_]*$", re.S),
}
LEADING = re.compile(
    r"^\s*(?:[-*+•]\s+|\d{1,3}[.)、]\s*|[（(][一二三四五六七八九十\d]{1,3}[）)]\s*|[一二三四五六七八九十]{1,3}、\s*"
    rf"|{ARTICLE.pattern}\s*)"
)
CONTINUES = re.compile(
    r"^(?:it|its|they|their|this|these|those|that|he|she|such|then|otherwise|however|therefore|thus|so|but|and|also"
    r"|for example|in this case|in both cases|afterwards|here|there|as a result|similarly|in addition|instead|both"
    r"|the (?:same|former|latter)|after that)\b"
    "|^(?:它|其|该|此|这|那|但|而|因此|所以|于是|例如|比如|否则|同时|此外|另外|并且|然后|接着|也就是说|不过|同样|前款|前条|前两款"
    "|上述|有前|有下列|再者|或者|以及|第[一二三四五六七]步|情节|单位犯|犯前|对前|违反前)",
    re.I,
)
LINK = re.compile(r"\s*[(（]https?://[^\s)）]+[)）]")
NOTE = re.compile(r"^(?:Notes?|Tip|Warning|Important|注意|提示|说明|注)\s*[:：]\s*", re.I)
ELSEWHERE = re.compile(
    r"\b(?:the (?:above|following|below)|above (?:script|command|configuration|figure|diagram|example|steps?)"
    r"|see (?:also|below|above)|please (?:see|refer|note|read|visit|check|make sure|start)|refer to|readme"
    r"|for (?:the |more |further )?(?:details?|information)|(?:image|figure|diagram|table|screenshot)s? (?:below|above)"
    r"|(?:image|figure|diagram|screenshot) shows|you (?:will|should) (?:see|receive|get)|as follows|click)\b"
    r"|参考|参阅|参见|详见|详情|图所示|[上下]图|如下|以下|下列|下面|上面|点击|各款|本条|本款|前[一二两三]?[款条项]",
    re.I,
)  # a fact that sends its reader elsewhere
OUTPUT = re.compile(r"\n\s*[<>{}\[\]$#|\"]")  # a line of code or of a program's output
LENGTH = {"en": (25, 330), "zh": (12, 160)}  # characters of a fact
CONTENT = 4  # content words, numbers and pieces of code of a fact


def quoted_tasks(passage: Passage, count: int, language: str) -> list[Task]:
    """The requests for a question to each of the chunk's best sentences; none where no sentence can stand alone."""
    request = REQUEST[language]
    shots = [(request.format(title, fact), {"question": question}) for title, fact, question in EXAMPLES[language]]
    title, schema = title_of(passage.chunk), object_schema(question={"type": "string"})
    return [
        Task(
            passage.chunk, language, few_shot(INSTRUCTION[language], shots, request.format(title, fact)), schema,
            partial(read_question, fact, language),
        )
        for fact in choose_facts(passage, count, language)
    ]  # fmt: skip


def choose_facts(passage: Passage, count: int, language: str) -> list[str]:
    """The sentences with the most to say, in their order. One that leans on the sentence before goes with it."""
    groups: list[tuple[int, int]] = []
    for number, (start, end) in enumerate(passage.sentences):
        text = passage.chunk.text[start:end]
        leans = CONTINUES.match(LEADING.sub("", text)) and SENTENCE[language].match(text)
        if leans and groups and groups[-1][1] == number - 1 and groups[-1][0] == number - 1:
            groups[-1] = (groups[-1][0], number)
        else:
            groups.append((number, number))
    scored = [(fact_value(passage, first, last, language), first, last) for first, last in groups]
    best = sorted((s for s in scored if s[0]), key=lambda s: (-s[0], s[1]))[:count]
    return [
        fact_text(passage.chunk, passage.sentences[a][0], passage.sentences[b][1])
        for _v, a, b in sorted(best, key=lambda s: s[1])
    ]


def fact_text(chunk: Chunk, start: int, end: int) -> str:
    """A stretch of a chunk as running text, without the mark of a list or the number of an article before it."""
    text = LINK.sub("", LEADING.sub("", chunk.text[start:end]))
    return " ".join(NOTE.sub("", text).split())


def fact_value(passage: Passage, first: int, last: int, language: str) -> int:
    """How much a sentence (or two) tells; 0 where it cannot be an answer."""
    text = fact_text(passage.chunk, passage.sentences[first][0], passage.sentences[last][1])
    low, high = LENGTH[language]
    if not SENTENCE[language].match(text) or not low <= len(text) <= high or "```" in text or CONTINUES.match(text):
        return 0
    if language == "en" and not (text[0].isupper() or text[0] in '`"“' or text[0].isdigit()):
        return 0
    if OUTPUT.search(passage.chunk.text, max(0, passage.sentences[first][0] - 1), passage.sentences[last][1] + 2):
        return 0
    if ELSEWHERE.search(text) or any(DEICTIC.search(m[0]) for m in POINTS[language].finditer(text)):
        return 0
    parts = passage.parts[first : last + 1]
    words = sum(len(weighty(p)) for p in parts)
    facts = sum(len(p.numbers) + len(p.codes) for p in parts)
    return min(words, 12) + 2 * min(facts, 3) if words + facts >= CONTENT and words else 0


def read_question(fact: str, language: str, text: str) -> Reply:
    """The question of a reply, with its fact as the answer; nothing where it breaks off or only says the fact again."""
    try:
        value = json.loads(text[text.find("{") : text.rfind("}") + 1], strict=False)
        question = value.get("question") if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        question = None
    if not isinstance(question, str) or not ASKS[language].search(question) or plain(fact) in plain(question):
        return Reply(rest=text)
    return Reply([Pair(" ".join(question.split()), fact)])


def plain(text: str) -> str:
    """Letters and digits alone, to see whether one text holds the other."""
    return re.sub(r"[\W_]+", "", text).lower()
