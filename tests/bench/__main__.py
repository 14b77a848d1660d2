"""`python -m tests.bench [orders|inventory|status|returns|idle|all]`: what the jobs cost, as ratios of one
run, and what a cycle of all of them costs when nothing has happened.

Each has a module here of its own name, with `main(arguments) -> exit code`, which prints one table by
`processes.print_table`. Options go to the named one:
`python -m tests.bench orders --help`.
"""

from __future__ import annotations

import importlib
import sys

_JOBS = ("orders", "inventory", "status", "returns", "idle")


def main(arguments: list[str]) -> int:
    name, *options = arguments or ["all"]
    if name not in (*_JOBS, "all"):
        print(f"usage: python -m tests.bench [{'|'.join(_JOBS)}|all] [options of that job]")
        return 0 if name in ("-h", "--help") else 2
    if name == "all" and options:
        print("options go to one job: python -m tests.bench orders --help")
        return 2
    worst = 0
    for job in _JOBS if name == "all" else [name]:
        if name == "all":
            print(f"\n{job}")
        worst = max(worst, importlib.import_module(f"tests.bench.{job}").main(options))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
