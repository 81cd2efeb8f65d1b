"""Token estimates and the words that search and metrics compare."""

from hypothesis import given
from hypothesis import strategies as st

from tuneloop.text.tokens import estimate_tokens, token_weight, words


def test_names_are_kept_whole_and_in_parts():
    assert words("Set --max-tokens in tuneloop.toml") == [
        "set", "--max-tokens", "max", "tokens", "in", "tuneloop.toml", "tuneloop", "toml",
    ]  # fmt: skip
    assert words("limit_count maxTokens", parts=False) == ["limit_count", "maxtokens"]
    assert words("limit_count maxTokens") == ["limit_count", "limit", "count", "maxtokens", "max", "tokens"]
    assert words("C++ and C#, 3.5% of v1.2, -n, don't; a - b") == [
        "c++", "c", "and", "c#", "c", "3.5", "of", "v1.2", "v1", "2", "-n", "n", "don't", "a", "b",
    ]  # fmt: skip
    assert words("word--word") == ["word--word", "word", "word"]


def test_chinese_words_are_pairs_or_characters():
    assert words("数据安全，法") == ["数据", "据安", "安全", "法"]
    assert words("用ＧＰＵ训练", cjk="characters") == ["用", "gpu", "训", "练"]


def test_estimates_are_near_what_qwen_counts():
    assert estimate_tokens("") == estimate_tokens("  ") == 0
    english = "The limit-count plugin uses fixed or sliding window algorithms to limit the rate of requests."
    assert 17 <= estimate_tokens(english) <= 22  # Qwen2.5: 17
    chinese = "为了规范数据处理活动，保障数据安全，促进数据开发利用，保护个人、组织的合法权益，制定本法。"
    assert 24 <= estimate_tokens(chinese) <= 33  # Qwen2.5: 25


@given(st.lists(st.text(max_size=20), max_size=6))
def test_weights_of_lines_add_up_but_for_the_line_ends(lines):
    lines = [" ".join(line.split()) for line in lines]
    lines = [line for line in lines if line]
    whole = token_weight("\n".join(lines))
    assert whole == sum(map(token_weight, lines)) + 50 * max(0, len(lines) - 1)
