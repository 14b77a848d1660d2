"""`python -m tests.bench.server PORTS_FILE SEED LATENCY_MS`: the sandbox as a process that does as told.

A line on its standard input is `{"call": "module:function", "arguments": {…}}`: that function is called with
the sandbox, holding the world's lock, and what it returns is printed as a line of JSON. So a bench fills both
sides, and changes them between two runs, with the sandbox's own functions. It ends with its input.
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
from pathlib import Path

from ct_mao_sync.sandbox.__main__ import write_ports
from ct_mao_sync.sandbox.core import Sandbox, SandboxSettings
from ct_mao_sync.sandbox.front import serve


def main(ports_file: str, seed: str, latency_ms: str) -> None:
    # The last requests are kept with their bodies; a bench only counts them.
    sandbox = Sandbox(seed=int(seed), settings=SandboxSettings(history_max=0))
    gc.set_threshold(50_000, 20, 20)
    with serve(sandbox, latency_s=float(latency_ms) / 1000) as servers:
        write_ports(Path(ports_file), servers)
        for line in sys.stdin:
            asked = json.loads(line)
            module, _, name = asked["call"].partition(":")
            with sandbox.world.lock:
                told = getattr(importlib.import_module(module), name)(sandbox, **asked["arguments"])
                gc.collect()
                gc.freeze()  # a tenant of any size costs the collector nothing more
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
