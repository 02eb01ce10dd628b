"""Prints all findings as one page."""

from __future__ import annotations

import json
from datetime import date

from findings import OUT


def main() -> None:
    lines = (OUT / "findings.jsonl").read_text(encoding="utf-8").splitlines()
    print(f"# What a GPU told\n\n{date.today()}; `benchmarks/on_gpu.sh`.\n")
    print("| phase | finding | value |\n|---|---|---|")
    for finding in map(json.loads, lines):
        value = f"{finding['value']} {finding.get('unit', '')}".strip().replace("|", "\\|")
        print(f"| {finding['phase']} | {finding['name']} | {value} |")


if __name__ == "__main__":
    main()
