"""Texts in the encodings that people have them in, whole, cut and damaged; and what is no text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.text.encodings import BLOCK, NotText, decode, detect

CHINESE = "人民法院审理案件，应当以事实为根据，以法律为准绳。患者服药后症状有所减轻，建议继续观察，必要时到医院检查。\n"
TRADITIONAL = (
    "人民法院審理案件，應當以事實為根據，以法律為準繩。患者服藥後症狀有所減輕，建議繼續觀察，必要時到醫院檢查。\n"
)
JAPANESE = "本日は晴天なり。これは日本語の文章です。文字コードを判定します。\n"
KOREAN = "안녕하세요. 이것은 한국어 문서입니다. 인코딩을 확인합니다. 오늘 날씨가 좋습니다.\n"
ENGLISH = "The pump stops at forty bar, and starts again when the pressure has fallen. " * 5


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", CHINESE), ("utf-8-sig", CHINESE), ("utf-16", CHINESE), ("utf-16-le", CHINESE), ("utf-16-be", CHINESE),
        ("gb18030", CHINESE), ("gb18030", TRADITIONAL), ("gbk", "服药"), ("gb18030", "name,科室\n1,心血管科\n"),
        ("gbk", ENGLISH + "水泵"), ("big5", TRADITIONAL), ("shift_jis", JAPANESE), ("euc_kr", KOREAN),
        ("utf-16-le", "Plain English text.\n"), ("utf-16-be", "ab"), ("utf-8", "é"), ("cp1252", "plain café"),
        ("cp1252", ENGLISH * 5000 + "C’est là.\n"), ("cp1252", "Il a été reçu à l’hôtel “Café”, dit-il.\n"),
    ],
)  # fmt: skip
def test_encodings_are_told_apart_in_memory_and_in_files(tmp_path: Path, encoding: str, text: str) -> None:
    data = text.encode(encoding)
    found, name = decode(data)
    assert found == text
    (tmp_path / "file").write_bytes(data)
    assert detect(tmp_path / "file") == name


@pytest.mark.parametrize("before", [CHINESE * 3, ENGLISH])
@pytest.mark.parametrize("kept", [1, 2])
def test_text_cut_in_the_middle_of_a_character_is_still_text(tmp_path: Path, before: str, kept: int) -> None:
    data = before.encode() + "泵".encode()[:kept]
    assert decode(data) == (before + "\ufffd", "utf-8")
    (tmp_path / "file").write_bytes(data)
    assert detect(tmp_path / "file") == "utf-8"


def test_a_damaged_byte_does_not_change_the_encoding(tmp_path: Path) -> None:
    long = (CHINESE * (BLOCK // 150)).encode()
    (tmp_path / "file").write_bytes(long + b"\xff" + long)
    assert detect(tmp_path / "file") == "utf-8"
    assert decode(CHINESE.encode() + b"\xff") == (CHINESE + "\ufffd", "utf-8")


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(4)),
        bytes(3),
        b"\1\0\2\0\3\0\4\0",
        b"\0\0\0\1" * 40,
        b"%PDF-1.7",
        b"PK\3\4",
        b"GGUF\3",
        bytes(range(32)),
    ],
)
def test_binary_data_is_no_text(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(NotText):
        decode(data)
    with pytest.raises(NotText):
        detect(tmp_path / "file")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_utf_8_is_read_as_it_is(text: str) -> None:
    assert decode(text.encode())[0] == text.removeprefix("\ufeff")
