"""Sentence ends in Chinese and English, and the same ends while text is still arriving."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.text.sentences import SentenceStream, sentences, split_sentences


@pytest.mark.parametrize(
    "expected",
    [
        ["He paid $3.50 for v1.2.3.", "It works!", "Does it?", "Yes."],
        ["Use e.g. a list, i.e. many.", "Then stop."],
        ["Dr. Smith met J. K. Rowling in the U.S. yesterday.", "They spoke of Fig. 3 and No. 5."],
        ["See plan B.", "The rest follows."],
        ["Bread, milk, etc. are food.", "Buy milk, etc.", "Then go."],
        ["Read https://example.com/a.b?c=d and tuneloop.toml.", "Now!"],
        ['He said "Stop." ', 'She said "Really?" and left.'],
        ["Wait... what is it?", "Wait...", "What?"],
        ["Call `a. b. c` first.", "Then `d`."],
        ["It is so.[1]", "It is not [2].", "Both hold. [1][3]", "End."],
        ["It was **bold.**", "**Next** one."],
    ],
)
def test_english(expected):
    assert sentences(" ".join(s.strip() for s in expected)) == [s.strip() for s in expected]


@pytest.mark.parametrize(
    "expected",
    [
        ["今天下雨。", "明天呢？", "晴天！", "好吧……", "走"],
        ["他说：“你好。”", "然后走了。"],
        ["他说：“你好”，然后走了。", "完。"],
        ["价格为3.5元，版本1.2.3。", "见 https://a.cn/b.html 页。"],
        ["甲方付款；", "乙方交货。[1][2]", "丙方见证[3]。"],
        ["你好!", "再见?", "Hello there.", "再见。"],
        ["（详见第三条。）", "另见附件。"],
        ['他说:"好。"', '"行"是答案。'],
    ],
)
def test_chinese(expected):
    glue = "" if "Hello" not in expected[-2] else " "
    assert sentences(glue.join(expected)) == expected


def test_blocks():
    text = "# Title\nOne line\nwraps here. Two.\n\n- item one\n- item two. more\n1. first\n| a | b. c |\n| - | - |\nEnd"
    assert sentences(text) == [
        "# Title", "One line\nwraps here.", "Two.", "- item one", "- item two.", "more", "1. first",
        "| a | b. c |", "| - | - |", "End",
    ]  # fmt: skip


def test_a_code_fence_is_one_sentence():
    text = "Run this:\n\n```sh\necho one. two.\n\necho 3\n```\n\nThen stop."
    assert sentences(text) == ["Run this:", "```sh\necho one. two.\n\necho 3\n```", "Then stop."]
    assert sentences("```\nnever closed. Really.") == ["```\nnever closed. Really."]


def test_articles_of_a_law_begin_sentences():
    text = "第一章 总则\n第一条 为了规范，制定本法。\n第二条 下列情形：\n（一）甲；\n（二）乙。"
    assert sentences(text) == [
        "第一章 总则",
        "第一条 为了规范，制定本法。",
        "第二条 下列情形：",
        "（一）甲；",
        "（二）乙。",
    ]


PARTS = (
    "word 法律 条文 . 。 ！ ? … ... ； ” \" ' ） ) [1] [ ] 【2】 ` ``` ~~~ # - * ** | > 1. 3.5 e.g. U.S. J. K 第三条 "
    "（一） 、 ， x A"
)
WRITING = st.lists(st.sampled_from([*PARTS.split(), " ", "\n", "\n\n", "  ", "\t", "\r\n", "\u3000"]), max_size=60).map(
    "".join
)


@settings(max_examples=600, deadline=None)
@given(WRITING | st.text(max_size=60))
def test_spans_are_ordered_and_cover_all_that_is_not_space(text):
    position = 0
    for start, end in split_sentences(text):
        assert start < end and not text[position:start].strip()
        assert text[start:end] == text[start:end].strip()
        position = end
    assert not text[position:].strip()


@settings(max_examples=600, deadline=None)
@given(WRITING, st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_a_stream_gives_the_sentences_of_the_whole(text, sizes):
    stream, pieces, position = SentenceStream(), [], 0
    while position < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces += stream.feed(text[position : position + size])
        position += size
    pieces += stream.close()
    assert "".join(pieces) == text
    assert [p.strip() for p in pieces if p.strip()] == sentences(text)


def test_a_stream_tells_a_sentence_as_soon_as_it_can():
    stream = SentenceStream()
    assert stream.feed("So it is, then. ") == []  # a marker [1] may follow
    assert stream.feed("Now") == ["So it is, then."]
    assert stream.feed(" this。好") == [" Now this。"]
