"""Compares what the demo writes with a record of it: `python -m tests.bench.golden [--record] [--program FILE]`.

The demo is run at seeds 0 and 1. Hashed are `history.jsonl`, `final/`, `proposal.json`, `responses/` and
`vetting/*.json` of each trait, and the keys of all answers and completions in its ledger. Times of day are left out.
A record holds for one kind of machine: floating-point results can differ on another one.
"""

import argparse
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORD = Path(__file__).with_name("golden.json")
SEEDS = (0, 1)
PATTERNS = ("refinement/history.jsonl", "refinement/final/*", "refinement/proposal.json", "responses/**/*", "vetting/*")
KEYS = {
    "answers": "SELECT key, content FROM answers ORDER BY key",
    "completions": "SELECT key, body FROM completions ORDER BY key",
    "campaigns": "SELECT key, about FROM campaigns ORDER BY id",
}


def without_times(value: object) -> object:
    """A JSON value without the fields that hold a time of day."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key != "timestamp"}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_of(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return digest(json.dumps(without_times(json.loads(text))) if path.suffix == ".json" else text)


def hashes_of_trait(folder: Path) -> Iterator[tuple[str, str]]:
    """(name, hash) of each file of one trait, and of each set of keys in its ledger."""
    for path in sorted({path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()}):
        yield str(path.relative_to(folder)), hash_of(path)
    with closing(sqlite3.connect(folder / "refinement" / "ledger.sqlite")) as ledger:
        for name, query in KEYS.items():
            rows = ledger.execute(query).fetchall()
            yield f"ledger {name}", f"{len(rows)} {digest(json.dumps(rows))}"


def run_demo(program: str, seed: int, folder: Path) -> dict[str, str]:
    """Hashes by name of a fresh run of the demo."""
    demo = folder / f"demo-{seed}"
    shutil.copytree(ROOT / "experiments" / "demo", demo, ignore=shutil.ignore_patterns("extraction"))
    settings = demo / "refine.toml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("\nseed = 0\n", f"\nseed = {seed}\n"), "utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(  # noqa: S603 - this project's program
        [program, "run", "--experiment", str(demo)], capture_output=True, text=True, env=environment, check=False
    )
    traits = sorted(path.parent.parent for path in (demo / "extraction").glob("*/*/refinement/ledger.sqlite"))
    found = {f"{trait.name}/{name}": value for trait in traits for name, value in hashes_of_trait(trait)}
    return {f"seed {seed}/exit": str(done.returncode), **{f"seed {seed}/{name}": v for name, v in found.items()}}


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """One line for each name whose hash is not the same in both."""
    names = sorted(before.keys() | after.keys())
    return [
        f"{n}: {before.get(n, 'absent')} -> {after.get(n, 'absent')}" for n in names if before.get(n) != after.get(n)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write the record instead of comparing with it")
    parser.add_argument("--program", default=str(Path(sys.executable).with_name("cliffhanger")), help="what to run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(SEEDS)) as pool:
        runs = pool.map(lambda seed: run_demo(options.program, seed, Path(folder)), SEEDS)
        found = {name: value for run in runs for name, value in run.items()}
    if options.record:
        RECORD.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        sys.stdout.write(f"{len(found)} hashes recorded in {RECORD.name}\n")
        return 0
    lines = differences(json.loads(RECORD.read_text(encoding="utf-8")), found)
    sys.stdout.write("\n".join([*lines, f"{len(found)} hashes, {len(lines)} differences", ""]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
