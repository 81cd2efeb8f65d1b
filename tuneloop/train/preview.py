"""A page that shows, token by token, what a model reads and what it learns: a wrong template or mask is seen at once.

Self-contained, and in both languages at once, so that the artifact does not depend on who made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from tuneloop.train.lesson import Lesson

SHOWN = 20  # lessons
LONGEST = 800  # tokens of one lesson

STYLE = """
:root{color-scheme:light dark;--ink:#1c2024;--soft:#6b7280;--page:#fff;--box:#f6f7f9;--line:#d9dde3;
--learned:#bfe8cd;--edge:#2f855a}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#9aa1ab;--page:#16181b;--box:#1f2226;--line:#353a41;
--learned:#1d4a33;--edge:#6fcf97}}
body{font:15px/1.6 system-ui,"Noto Sans SC",sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:var(--ink);
background:var(--page)}
h1{font-size:1.4rem}p,.head{color:var(--soft)}
.step{border:1px solid var(--line);border-radius:8px;margin:1rem 0;padding:.2rem 1rem 1rem}
.head{font-size:.85rem;margin:.6rem 0 .3rem}
.lesson{background:var(--box);border-radius:6px;padding:.6rem .8rem;white-space:pre-wrap;overflow-wrap:anywhere;
font:13px/2 ui-monospace,"Noto Sans Mono CJK SC",monospace;color:var(--soft)}
.lesson b{font-weight:400;border-radius:3px;box-shadow:inset 0 -1px var(--line)}
.lesson b.y{background:var(--learned);color:var(--ink);box-shadow:inset 0 -2px var(--edge)}
.lesson b.c{font-weight:700}
"""


def preview_page(
    steps: Iterable[Sequence[Lesson]], control: Sequence[str], *, count: int, total: int, learned: int
) -> str:
    """The first steps of a run as HTML: each step a box, each conversation in it a block, each token marked.

    ``count`` conversations of ``total`` tokens are all that the run learns from; ``learned`` of the tokens count.
    """
    boxes, shown = [], 0
    for number, step in enumerate(steps, 1):
        blocks = [block(lesson, set(control)) for lesson in step[: SHOWN - shown]]
        shown += len(blocks)
        tokens = sum(map(len, step))
        head = f"step 第 {number} 步 · {len(step)} conversations 段对话 · {tokens} tokens 词元"
        boxes.append(f'<section class="step"><div class="head">{head}</div>{"".join(blocks)}</section>')
        if shown >= SHOWN:
            break
    share = f"{learned:,} / {total:,} ({learned / max(1, total):.0%})"
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>What is learned · 学习的内容</title><style>{STYLE}</style>
<h1>What is learned · 学习的内容</h1>
<p class="lesson"><b class="y">learned 学习</b> <b>only read 仅阅读</b> <b class="c">&lt;control 控制词元&gt;</b></p>
<p>Conversations 对话：{count:,} · learned tokens 学习的词元：{share}.
Conversations in one step do not see each other. 同一步中的对话互不可见。</p>
{"".join(boxes)}
</html>
"""


def block(lesson: Lesson, control: set[str]) -> str:
    head = f"{escape(lesson.id)} · {len(lesson)} tokens 词元 · {lesson.learned_tokens} learned 学习"
    marks = "".join(token_marks(lesson, control))
    more = f" … +{len(lesson) - LONGEST}" if len(lesson) > LONGEST else ""
    return f'<div class="head">{head}</div><div class="lesson">{marks}{more}</div>'


def token_marks(lesson: Lesson, control: set[str]) -> list[str]:
    """One element a token. A character that takes several tokens is shown with its first; the others are dots."""
    marks, end = [], 0
    for place, ((start, stop), learned) in enumerate(zip(lesson.offsets, lesson.learned, strict=True)):
        if place >= LONGEST:
            break
        text = lesson.text[max(start, end) : stop] or "·"
        if start > end:  # characters that the tokenizer dropped
            marks.append(escape(lesson.text[end:start]))
        end = max(end, stop)
        kinds = ["y"] * (learned and place > 0) + ["c"] * (text in control)
        attribute = f' class="{" ".join(kinds)}"' if kinds else ""
        marks.append(f"<b{attribute}>{escape(text)}</b>")
    return marks
