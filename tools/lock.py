"""Write the hashed lock files: `python tools/lock.py` (needs `uv` on the PATH).

One resolution of everything comes first and becomes the constraint of each service's own lock, so that
the locks never disagree and also install together into the one `.venv` of the native engine. The locks
are universal (Python 3.11 to 3.14, all platforms) and name no index: versions and hashes only. A bundled model with
an environment of its own has a lock of its own, of what is named there and nothing that those packages require.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "ml_service" / "runtime" / "bundled"
SERVICES = ["services/app", "services/bot", "services/ml_worker", "engine", "tests", "benchmarks"]
OPTIONS = ["--universal", "--python-version", "3.11", "--no-emit-index-url", "--no-annotate", "--no-header", "--quiet"]


def compile_lock(output: Path, sources: list[Path], *options: str) -> None:
    """Resolve ``sources`` into ``output``; raises CalledProcessError when uv finds no solution."""
    command = ["uv", "pip", "compile", *OPTIONS, *options, "--output-file", str(output), *map(str, sources)]
    subprocess.run(command, check=True, cwd=ROOT)


def main() -> None:
    """Write requirements.txt beside each requirements.in, all from one resolution."""
    sources = [ROOT / service / "requirements.in" for service in SERVICES]
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        compile_lock(constraints, sources)
        for source in sources:
            lock = source.with_suffix(".txt")
            compile_lock(lock, [source], "--generate-hashes", "--constraint", str(constraints))
            sys.stdout.write(f"{lock.relative_to(ROOT)}\n")
    for source in sorted(BUNDLED.glob("*/requirements.in")):
        lock = source.with_suffix(".txt")
        compile_lock(lock, [source], "--generate-hashes", "--no-deps")
        sys.stdout.write(f"{lock.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
