"""What reading a file costs in memory: the peak over that of the imports, as a multiple of the file's size.

python benchmarks/reading_memory.py [--rows 1000000] [--characters 100] [--save]
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from measuring import processor

RESULTS = Path(__file__).parent / "results" / "reading_memory.md"
FORMATS = ("csv", "jsonl", "parquet", "txt")
AIM = 3.0
MEASURE = """
import json, sys, time
from pathlib import Path
import pyarrow.parquet
from textune.data import FilesConfig
from textune.memory import status_bytes
from textune.serve.predict import read_input
way, folder, name = sys.argv[1:]
def load(name):
    if way == "run":
        return len(FilesConfig(path=name).load([Path(folder)], 0))
    return len(read_input(str(Path(folder) / name), sys.stdin.buffer).texts)
load("small." + name.partition(".")[2])
Path("/proc/self/clear_refs").write_text("5")  # the peak starts here, see proc(5)
before = status_bytes("VmRSS")
started = time.perf_counter()
rows = load(name)
seconds = time.perf_counter() - started
print(json.dumps([rows, status_bytes("VmHWM") - before, seconds]))
"""


def write(path: Path, num_rows: int, num_characters: int) -> None:
    """Writes rows of a text, no two alike, and a label."""
    generator = random.Random(0)
    words = [f"{number:x}" for number in range(5_000)]
    tail = " ".join(generator.choice(words) for _ in range(num_characters // 3))
    rows = [(f"{number} {tail}"[:num_characters], f"class {number % 5}") for number in range(num_rows)]
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        texts, labels = zip(*rows, strict=True)
        pq.write_table(pa.table({"text": texts, "label": labels}), path, compression="none", use_dictionary=["label"])
        return
    with path.open("w", encoding="utf-8") as file:
        if path.suffix == ".csv":
            file.write("text,label\n")
        for text, label in rows:
            line = {"csv": f"{text},{label}", "jsonl": json.dumps({"text": text, "label": label}), "txt": text}
            file.write(line[path.suffix[1:]] + "\n")


def measure(way: str, path: Path) -> tuple[int, int, float]:
    """Returns the rows that were read, the peak over that of the imports in bytes, and the seconds."""
    command = [sys.executable, "-c", MEASURE, way, str(path.parent), path.name]
    rows, peak, seconds = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return rows, peak, seconds


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--characters", type=int, default=100)
    parser.add_argument("--formats", nargs="*", default=FORMATS)
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    arguments = parser.parse_args()
    command = f"python benchmarks/reading_memory.py --rows {arguments.rows} --characters {arguments.characters}"
    lines = [
        "# What reading a file costs in memory",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, Python {platform.python_version()}. `{command}`",
        "",
        f"{arguments.rows:,} rows of {arguments.characters} characters, no two alike, and one of five labels. The peak",
        "is resident memory over that of the imports, while `run` or `predict` loads the rows.",
        f"Aim: at most {AIM:g} times the size of a csv file. Parquet misses it, read by row groups.",
        "",
        "| format | way | file, MB | peak, MB | times the file | seconds |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as name:
        for format_ in arguments.formats:
            path = Path(name) / f"rows.{format_}"
            write(path, arguments.rows, arguments.characters)
            write(path.with_stem("small"), 10, 20)
            for way in ("run", "predict") if format_ != "txt" else ("predict",):
                rows, peak, seconds = measure(way, path)
                assert rows == arguments.rows
                size = path.stat().st_size
                lines.append(
                    f"| {format_} | {way} | {size / 1e6:.0f} | {peak / 1e6:.0f} | {peak / size:.1f} | {seconds:.1f} |"
                )
                print(lines[-1], flush=True)
            path.unlink()
    if arguments.save:
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
