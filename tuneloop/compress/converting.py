"""The converter's process, tied to its parent's life. ``python -m tuneloop.compress.converting FOLDER ARGUMENTS``."""

import os
import runpy
import sys

from tuneloop import processes


def main() -> None:
    processes.follow_parent()
    folder, *arguments = sys.argv[1:]
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    sys.path.insert(0, folder)
    sys.argv = ["convert_hf_to_gguf.py", *arguments]
    processes.say_ready()
    runpy.run_path(f"{folder}/convert_hf_to_gguf.py", run_name="__main__")


if __name__ == "__main__":
    main()
