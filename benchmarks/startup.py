"""How long ``tuneloop --help`` takes, beside a bare Python: the median of several starts.

python benchmarks/startup.py [--times 15]
"""

import argparse
import statistics
import subprocess
import sys
import time


def median(command: list[str], times: int) -> float:
    found = []
    for _n in range(times + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - start)
    return statistics.median(found[1:])  # the first start fills the disk cache


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=15)
    times = parser.parse_args().times
    bare = median([sys.executable, "-c", "pass"], times)
    ours = median([sys.executable, "-m", "tuneloop", "--help"], times)
    print(f"python -c pass   {bare * 1000:6.0f} ms\ntuneloop --help  {ours * 1000:6.0f} ms   ratio {ours / bare:.1f}")


if __name__ == "__main__":
    main()
