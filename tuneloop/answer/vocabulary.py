"""Words that decide how a statement is read: those that carry no fact, turn its meaning, or name opposites."""

import re

from tuneloop.knowledge.terms import stem
from tuneloop.text.tokens import word_set

# Characters that tie Chinese words together; content lies between them.
TIES = (
    "的了是在和与或及等被把将会也就都而且并其这那该此个种些之所以于为由从对向到中里内前后时"
    "可能要让使得着过给吗呢吧啊您你我他她它们有又还再则即若如因"
)
LIGHT_ZH = re.compile(
    "使用|可以|进行|通过|根据|需要|能够|具体|因此|如果|也就是说|主要|提供|支持|相关|以下|方法|方式|情况|问题|内容|"
    "例如|比如|文档|资料|规定|按照|依照|依据|关于|对于|其中|以及|同时|此外|另外|默认情况下|用于|用来|称为|叫做|表示|"
    "说明|指出|属于|是指|(?:不得?)?(?:超过|[大高多小低少]于)(?=\\D?[\\d一二三四五六七八九十百])|不足|不满|未满|至少|至多|最多|以上|以内|否则|"
    "是否|多少|什么|哪些|哪个|哪里|如何|怎么|怎样|为什么|应该|应当|必须|通常|一般|可能|所有|全部|任何|只有|只能|没有|不是|不会|不能|不可|不得|不应|"
    f"[{TIES}不没无未非必须应只仅每]"
)
LIGHT_EN = frozenset(
    stem(word)
    for word in word_set(
        "use used using make made provide provided allow allows include includes including need needs want call called "
        "way ways help helps ensure specific important following also various several simply such like get gets given "
        "based according document documents documentation passage mention mentioned state stated states say says note "
        "order case example one ones thing things well very just etc via per however therefore additionally "
        "furthermore moreover thus typically generally essentially basically overall main different "
        "particular particularly "
        "specifically refer refers referred known define defined describe described set up out over under more most "
        "less least than within between through during before after above below all any each every both only must "
        "should shall required require requires may might can could will would not never no none without cannot always "
        "sometimes usually often some many much few other others another same own here there when while if then so "
        "because since although though unlike still already yet even"
    )
)

CUES_EN = {
    "not": r"\bno longer\b|\brather than\b|\binstead of\b|n['’]t\b"
    r"|\b(?:not|never|no|none|neither|nor|without|cannot|unable|unless|except|excluding|lacks?)\b",
    "all": r"\b(?:all|every|each|always|entire(?:ly)?|completely|everyone|everything|whole)\b",
    "only": r"\b(?:only|solely|exclusively)\b",
    "must": r"\b(?:must|shall|mandatory|required|has to|have to)\b",
    "hedge": r"\b(?:may|might|some|sometimes|usually|often|typically|generally|partially|partly|possibly|probably"
    r"|rarely|occasionally|most|mostly|likely)\b",
    "may": r"\b(?:may|can|could|optional(?:ly)?|should|recommended|recommends?)\b",
}
CUES_ZH = {
    "not": "而不是|而非|不得|不能|不会|不可|不应|不是|不|没有|没|无法|无需|无须|无|未|非|禁止|严禁|勿|除外|拒绝",
    "all": "所有|全部|一律|始终|总是|任何|完全|一切",
    "only": "只有|只能|只|仅|唯一",
    "must": "必须|应当|必需|强制|须|应",
    "hedge": "有时|有些|部分|通常|一般|可能|往往|或许|偶尔|大多数?|多数|少数|大概",
    "may": "可以|可|可选|建议|能够|能",
}
CUE = {kind: re.compile(f"{english}|{CUES_ZH[kind]}") for kind, english in CUES_EN.items()}
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

OPPOSITE_PAIRS = (
    "enable/disable enabled/disabled increase/decrease before/after minimum/maximum min/max allow/deny allow/forbid "
    "allow/block allow/reject accept/reject permit/prohibit true/false start/stop open/close success/failure "
    "succeed/fail add/remove include/exclude above/below first/last higher/lower high/low larger/smaller large/small "
    "longer/shorter faster/slower more/less internal/external inbound/outbound upper/lower ascending/descending "
    "synchronous/asynchronous public/private automatic/manual automatically/manually legal/illegal valid/invalid "
    "encrypt/decrypt upload/download push/pull client/server north/south east/west left/right early/late earlier/later "
    "best/worst positive/negative gain/loss rise/fall rose/fell male/female father/mother son/daughter husband/wife "
    "win/lose won/lost buyer/seller on/off raise/lower lighter/heavier most/least smallest/largest newest/oldest "
    "older/newer older/younger "
    "启用/禁用 开启/关闭 打开/关闭 增加/减少 提高/降低 最大/最小 最高/最低 最多/最少 允许/禁止 成功/失败 "
    "添加/删除 包括/不包括 有效/无效 之前/之后 以前/以后 以上/以下 高于/低于 大于/小于 超过/不足 公开/保密 "
    "原告/被告 甲方/乙方 有罪/无罪 从重/从轻 加重/减轻 自动/手动 同步/异步 上游/下游 内部/外部 上升/下降 "
    "升序/降序 买方/卖方 出租/承租 债权/债务 故意/过失 有期/无期 合法/非法 男/女 父亲/母亲 丈夫/妻子 增长/下降 "
    "早于/晚于 东/西 南/北 胜/败 收入/支出 输入/输出 上传/下载 加密/解密 白名单/黑名单 入站/出站 首次/最后"
)
OPPOSITES: list[tuple[str, str]] = []
for pair in OPPOSITE_PAIRS.split():
    left, right = (stem(word) if word.isascii() else word for word in pair.split("/"))
    OPPOSITES += [(left, right), (right, left)]
