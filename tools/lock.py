"""Write ``constraints.txt``: every package that Tuneloop and its extras bring, at the version pip would take now.

    python tools/lock.py

Nothing is installed. Local versions such as ``+cpu`` are left out, so that any build of that version fits.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Every package that Tuneloop and its extras bring, at the version it was tested with.
# Used by the Makefile; made anew with: make lock
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--dry-run",
            "--ignore-installed",
            "--report",
            str(report),
        ]
        subprocess.run([*command, "torch==2.13.0", "-e", f"{ROOT}[train,postgres,dev]"], check=True)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    rows = {
        (r["metadata"]["name"].lower().replace("_", "-"), r["metadata"]["version"].partition("+")[0]) for r in found
    }
    lines = [f"{name}=={version}\n" for name, version in sorted(rows) if name != "tuneloop"]
    (ROOT / "constraints.txt").write_text(HEAD + "".join(lines), encoding="utf-8")
    print(f"{len(lines)} packages")


if __name__ == "__main__":
    main()
