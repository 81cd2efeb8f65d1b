"""Words that decide how a statement is read: those that carry no fact, turn its meaning, or name opposites."""

import re
import tomllib
from pathlib import Path

from tuneloop.knowledge.terms import stem
from tuneloop.text.tokens import word_set

ENGLISH, CHINESE = (
    tomllib.loads((Path(__file__).parent / "words" / f"{code}.toml").read_text(encoding="utf-8"))
    for code in ("en", "zh")
)
# Characters that tie Chinese words together; content lies between them.
TIES = CHINESE["light"]["ties"]
LIGHT_ZH = re.compile(
    "使用|可以|进行|通过|根据|需要|能够|具体|因此|如果|也就是说|主要|提供|支持|相关|以下|方法|方式|情况|问题|内容|"
    "例如|比如|文档|资料|规定|按照|依照|依据|关于|对于|其中|以及|同时|此外|另外|默认情况下|用于|用来|称为|叫做|表示|"
    "说明|指出|属于|是指|(?:不得?)?(?:超过|[大高多小低少]于)(?=\\D?[\\d一二三四五六七八九十百])|不足|不满|未满|至少|至多|最多|以上|以内|否则|"
    "是否|多少|什么|哪些|哪个|哪里|如何|怎么|怎样|为什么|应该|应当|必须|通常|一般|可能|所有|全部|任何|只有|只能|没有|不是|不会|不能|不可|不得|不应|"
    f"[{TIES}不没无未非必须应只仅每]"
)
LIGHT_EN = frozenset(stem(word) for word in word_set(ENGLISH["light"]["words"]))

CUE = {kind: re.compile(f"{english}|{CHINESE['cues'][kind]}") for kind, english in ENGLISH["cues"].items()}
# Words that contain one of these and turn nothing.
INERT = re.compile(
    "不同|不仅|不但|不断|不过|不论|不管|不如|不动产|不可抗力|不当得利|不良|不少|不便|不足|不满|不超过|不低于|不少于|不大于|"
    "不小于|不高于|不得超过|无论|无线|无限|无形|无锡|无期|非常|非洲|非法|未来|未满|未成年|未遂|是否|能否|否则|可否|无效|"
    "应用|响应|对应|相应|供应|适应|反应|应答|应付|应收|每当|只要|认可|许可|可靠|可用|可见|可视|可执行|可疑|能力|功能|性能|"
    "智能|职能|效能|一般规定|部分地区|"
    "not only|not just|whether or not|no longer than|no more than|no less than|no fewer than|"
    "not more than|not less than"
    "|at most|at least"
)

DIRECTION = "内外前后上下先"
ENDS = r",，。；;：:\n"  # of a Chinese clause
CONDITION = re.compile(
    r"(?<!even )\b(?:if|unless|provided that|as long as|only when|except (?:when|where|for|in))\b[^,.;:]*"
    r"|\b[^,.;:\n]+ means that\b"
    rf"|(?:如果|若|除非|只要|假如)[^{ENDS}]*|(?<![^{ENDS}])[^{ENDS}]+的(?=[,，])"
)

# A sentence that only tells what is believed, supposed, past or planned does not say that it is so.
FRAME = re.compile(
    r"\b(?:claim(?:s|ed)? that|believ\w+ that|(?:wrong|false|untrue|not true) that|is (?:false|wrong|untrue|a myth)"
    r"|suppose|imagine|assuming|(?:earlier|older|previous|former) (?:versions?|releases?)|formerly|used to|in the past"
    r"|(?:is|are) planned|(?:a|the) future|future (?:versions?|releases?)|will (?:support|be added|add|introduce))\b"
    r"|以为|误认为|谣传|据说|假设|设想|过去|以前|曾|旧版本?|以往|将来|未来|即将"
)
CONTRAST = re.compile(
    r"\b(?:unlike|in contrast to|contrary to|as opposed to|rather than|instead of)\b[^,.;:]*"
    r"|[与和跟][^,，。；]{1,20}不同|不同于[^,，。；]*"
)

OPPOSITES: list[tuple[str, str]] = []
for pair in f"{ENGLISH['opposites']['pairs']} {CHINESE['opposites']['pairs']}".split():
    left, right = (stem(word) if word.isascii() else word for word in pair.split("/"))
    OPPOSITES += [(left, right), (right, left)]
