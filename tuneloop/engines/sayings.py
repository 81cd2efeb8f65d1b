"""What may be kept of llama.cpp's log. Its warnings about a request quote it: the body, a grammar, whole messages."""

import re

LINE = re.compile(rb"[\d.]+ [A-Z] ")  # its own lines begin with the time and a level
HEARD = re.compile(rb"(exception|error|failed|invalid|unable|cannot|could not)\b", re.IGNORECASE)
CODE = re.compile(rb'"code":(\d{3})')
MACHINE = re.compile(rb"(ggml|gguf|llama|load|cuda|vulkan|metal|sched)_?\w*: ", re.IGNORECASE)
LAST_WORDS = re.compile(rb"\S+\.(c|cc|cpp|cu|h|hpp|m):\d+: |(ggml|CUDA|cuda)_?\w*( error)?: ")  # these have no time
QUOTE = re.compile(rb"""["'`{\[<]""")


def safe_line(line: bytes) -> bytes:
    """A line of the log without what may come from a request; b"" where nothing of it is known to be safe."""
    begin = LINE.match(line)
    said = line[begin.end() :] if begin else line
    if (MACHINE if begin else LAST_WORDS).match(
        said
    ):  # memory, devices, a failed assertion: what is needed to know why it died
        return line
    if not begin:
        return b""
    code = CODE.search(said)
    heard = HEARD.search(said)
    said = said[: heard.end()] if heard else QUOTE.split(said, maxsplit=1)[0]
    told = f" (HTTP {code[1].decode()})".encode() if code else b""
    return begin[0] + said.rstrip() + told + b"\n"
