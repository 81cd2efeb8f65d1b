"""Pages a second from digital PDF: raw PDFium text, Tuneloop, and peers where they are installed.

    python benchmarks/parse_speed.py FILE.pdf... [--peer-python OTHER/bin/python] [--rounds 3]

Peers run in the interpreter of ``--peer-python`` (an environment of their own), one process each, imports not counted.
Each is timed over all files, the best of several rounds; the ratio is to Tuneloop. "rows" counts the lines with at
least two numbers whose neighbours still stand in one line: what is left of tables.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

PROGRAMS = {
    "pypdfium2 (raw text)": """
import pypdfium2
def read(path):
    document = pypdfium2.PdfDocument(path)
    return "\\n".join(page.get_textpage().get_text_range() for page in document)
""",
    "tuneloop": """
from pathlib import Path
from tuneloop.documents.blocks import assemble
from tuneloop.documents.pdf import read_pdf
def read(path):
    return assemble(read_pdf(Path(path)).blocks)[0]
""",
    "pdfplumber (text)": """
import pdfplumber
def read(path):
    with pdfplumber.open(path) as document:
        return "\\n".join(page.extract_text() or "" for page in document.pages)
""",
    "markitdown": """
from markitdown import MarkItDown
converter = MarkItDown()
def read(path):
    return converter.convert(path).text_content
""",
}
HARNESS = """
import json, re, sys, time
best, text = float("inf"), ""
for _ in range(int(sys.argv[1])):
    begin = time.perf_counter()
    texts = [read(path) for path in sys.argv[2:]]
    best = min(best, time.perf_counter() - begin)
text = "\\n".join(texts)
rows = sum(len(re.findall(r"(?<![\\w.])[-+]?\\d[\\d,.]*%?(?![\\w.])", line)) >= 2 for line in text.splitlines())
print(json.dumps({"seconds": best, "characters": len(text), "rows": rows}))
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("files", nargs="+")
    arguments.add_argument("--peer-python", default=sys.executable)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    options.files = [str(Path(file).resolve()) for file in options.files]
    pages = sum(count_pages(path) for path in options.files)
    results = {name: measure(name, options) for name in PROGRAMS}
    ours = results["tuneloop"]
    print(f"{len(options.files)} files, {pages} pages, best of {options.rounds}")
    print(f"{'':24}{'pages/s':>9}{'ratio':>8}{'characters':>12}{'rows':>7}")
    for name, result in results.items():
        if result is None:
            print(f"{name:24}  not installed")
            continue
        ratio = ours["seconds"] / result["seconds"] if ours else 0.0
        speed = pages / result["seconds"]
        print(f"{name:24}{speed:9.1f}{ratio:8.3f}{result['characters']:12}{result['rows']:7}")


def count_pages(path: str) -> int:
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    try:
        return len(document)
    finally:
        document.close()


def measure(name: str, options: argparse.Namespace) -> dict[str, float] | None:
    """Run one program in its own process; ``None`` where its package is missing."""
    own = name.startswith(("pypdfium2", "tuneloop"))
    python = sys.executable if own else options.peer_python
    result = subprocess.run(
        [python, "-c", PROGRAMS[name] + HARNESS, str(options.rounds), *options.files],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    if result.returncode:
        missing = "ModuleNotFoundError" in result.stderr
        if not missing:
            print(f"{name} failed: {result.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(result.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
