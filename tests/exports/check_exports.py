"""Opens what `steerage export` writes with the Python packages that people use, and compares the formats.

    python3 -m venv VENV && VENV/bin/pip install -r tests/exports/requirements.txt
    VENV/bin/python tests/exports/check_exports.py target/debug/steerage frontend/demo.jsonl

It exports one session in every format, opens each with pandas, polars and `datasets.load_dataset`, and fails where a
value is not the same everywhere.
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import datasets
import pandas
import polars

TABLES = ["runs", "candidates", "equivalent", "contrast", "completions"]


def export(program: str, session: str, format: str, folder: Path) -> None:
    # Negative distances are no match; this wide a ball has prefixes in it.
    arguments = ["export", session, "--format", format, "--epsilon", "10", "--to", str(folder)]
    subprocess.run([program, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def is_ids(name: str) -> bool:
    return name == "ids" or name.endswith("_ids")


def plain(name: str, value):
    """A value as JSON has it, whatever the package made of it."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pandas.NA:
        return None
    if is_ids(name):
        ids = value.split() if isinstance(value, str) else list(value)
        return [int(token) for token in ids]
    return value.item() if hasattr(value, "item") else value


def rows(records) -> list[dict]:
    return [{name: plain(name, value) for name, value in record.items()} for record in records]


def same(expected: list[dict], found: list[dict], what: str) -> None:
    assert len(expected) == len(found), f"{what}: {len(found)} rows, expected {len(expected)}"
    for at, (a, b) in enumerate(zip(expected, found)):
        assert list(a) == list(b), f"{what}: columns {list(b)}, expected {list(a)}"
        for name in a:
            # An empty text and a missing one are the same in CSV.
            left, right = (a[name] or None, b[name] or None) if "CSV" in what else (a[name], b[name])
            assert left == right, f"{what}, row {at}, {name}: {right!r}, expected {left!r}"


def main() -> None:
    program, session = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        folders = {format: Path(scratch) / format for format in ["jsonl", "csv", "parquet", "hf"]}
        for format, folder in folders.items():
            export(program, session, format, folder)
        for table in TABLES:
            lines = (folders["jsonl"] / f"{table}.jsonl").read_text().splitlines()
            expected = [json.loads(line) for line in lines]
            assert expected, f"{table} is empty"
            parquet = folders["parquet"] / f"{table}.parquet"
            same(expected, rows(polars.read_parquet(parquet).to_dicts()), f"{table}, polars from Parquet")
            frame = pandas.read_parquet(parquet, dtype_backend="pyarrow")
            same(expected, rows(frame.to_dict("records")), f"{table}, pandas from Parquet")
            text = folders["jsonl"] / f"{table}.jsonl"
            same(expected, rows(polars.read_ndjson(text, infer_schema_length=None).to_dicts()), f"{table}, polars from JSON lines")
            frame = pandas.read_csv(folders["csv"] / f"{table}.csv", dtype_backend="pyarrow")
            same(expected, rows(frame.to_dict("records")), f"{table}, pandas from CSV")
            loaded = datasets.load_dataset(str(folders["hf"]), table, split="train", cache_dir=scratch)
            same(expected, rows(loaded), f"{table}, datasets")
            print(f"{table}: {len(expected)} rows, {len(expected[0])} columns, the same everywhere")
    versions = ", ".join(f"{package.__name__} {package.__version__}" for package in [pandas, polars, datasets])
    print(f"with {versions}")


if __name__ == "__main__":
    main()
