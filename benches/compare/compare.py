#!/usr/bin/env python3
"""Steerage against torch and nanoGCG, on this machine: same weights, same tokens, same candidates.

Makes its venv in the cache folder on first use. Prints tables, and writes all measurements as JSON.
Exit status: 0 the results agree, 1 they do not or something failed. A missed bound is no failure."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import environment
import report
import sides
from environment import HERE, Failure, say

# Of the loss of each checked sequence, against transformers on the dequantised weights.
NLL_TOLERANCE = 1e-3


def main():
    options = arguments()
    cache = environment.steerage_cache() / "compare"
    program = environment.steerage_program(options.steerage)
    python = options.python or environment.python_with_torch(cache)
    model = environment.model_file(program, options.model)
    machine = environment.machine(python)
    if machine["load_average"] > 0.5:
        say(f"the load average is {machine['load_average']:.1f}: other programs will disturb the times")

    say("dequantising the model, making the cases")
    checkpoint = cache / f"{model.stem}-{environment.sha256(model)[:12]}"
    cases, expected = prepare(python, model, checkpoint, cache, options.seed)
    nll_difference = check_weights(program, model, expected, cache)
    say(f"same weights: NLL of both sides differs by at most {nll_difference:.1e}")

    runs = {}
    for group in report.GROUPS:
        if not options.work or group.name in options.work:
            runs |= measure(group, options.repeats, program, python, model, checkpoint, cases)
    first_token_seconds = load_to_first_token(program, model, expected, cache, options.repeats)

    summary = report.summary(runs, first_token_seconds)
    result = {
        "machine": machine,
        "model": model.name,
        "seed": options.seed,
        "repeats": options.repeats,
        "nll_difference": nll_difference,
        **summary,
        "runs": runs,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(report.table(summary))
    say(f"all measurements are in {options.output}")
    return 0 if summary["all_agree"] else 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m", help="a Llama model's name or GGUF file [%(default)s]")
    parser.add_argument("--repeats", type=at_least_one, default=5, help="timed repeats of each side [%(default)s]")
    parser.add_argument("--seed", type=int, default=0, help="of the cases [%(default)s]")
    works = [group.name for group in report.GROUPS]
    parser.add_argument("--work", action="append", choices=works, help="only this work; may be repeated")
    parser.add_argument("--steerage", help="the program [target/release/steerage]")
    parser.add_argument("--python", type=Path, help="an interpreter that has requirements.txt; no venv is made then")
    output = environment.target_folder() / "compare.json"
    parser.add_argument("--output", type=Path, default=output, help="where the JSON goes [target/compare.json]")
    return parser.parse_args()


def at_least_one(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return int(text)


def prepare(python, model, checkpoint, cache, seed):
    cases, expected = cache / "cases.json", cache / "expected.json"
    command = [python, HERE / "torch_side" / "prepare.py", "--gguf", model, "--checkpoint", checkpoint]
    command += ["--cases", cases, "--expected", expected, "--seed", str(seed)]
    if subprocess.run(command).returncode != 0:
        raise Failure(f"{sides.shown(command)} failed; its message stands above")
    return cases, json.loads(expected.read_text())


def check_weights(program, model, expected, cache):
    """The largest difference of a token's NLL. Times of different models cannot be compared."""
    answers = score(program, model, expected, cache)
    pairs = [pair for case, nll in zip(expected, answers, strict=True) for pair in zip(case["nll"], nll, strict=True)]
    difference = max(abs(a - b) for a, b in pairs)
    if not difference <= NLL_TOLERANCE:
        raise Failure(f"the two sides do not have the same weights: NLL differs by up to {difference:.1e}")
    return difference


def score(program, model, cases, cache):
    """NLL of the completion tokens of each case, as `steerage score` answers."""
    questions, answers = cache / "score-in.jsonl", cache / "score-out.jsonl"
    with open(questions, "w") as file:
        for number, case in enumerate(cases):
            start, end = case["completion_start"], case["completion_start"] + len(case["nll"])
            question = {"id": str(number), "ids": case["ids"], "completion_start": start, "completion_end": end}
            print(json.dumps({**question, "prefix_start": 0, "prefix_end": 1}), file=file)
    sides.run_measured([program, "score", "--model", model, "--input", questions, "--output", answers])
    return [json.loads(line)["nll"] for line in answers.read_text().splitlines()]


def measure(group, repeats, program, python, model, checkpoint, cases):
    """One repeat of each side after the other, again and again: what the machine does meanwhile hits all."""
    started = {work: sides.Steerage(program, model, cases, work) for work in group.ours}
    for work, side in started.items():
        say(f"{work}: trying it")
        side.repeat()
    for dtype in group.torch:
        name = report.torch_name(group.name, dtype)
        say(f"{name}: trying batch sizes")
        started[name] = sides.Torch(python, checkpoint, cases, group.name, dtype)
    runs = {name: {"facts": side.facts, "repeats": []} for name, side in started.items()}
    try:
        for number in range(repeats):
            for name, side in started.items():
                answer = side.repeat()
                runs[name]["repeats"].append(answer)
                say(f"{group.name} {number + 1}/{repeats}: {name} {answer['seconds']:.3f} s")
    finally:
        for side in started.values():
            side.close()
    return runs


def load_to_first_token(program, model, expected, cache, repeats):
    """Seconds of a whole process that scores one token; the first, unmeasured, fills the page cache."""
    case = expected[-1]
    one_token = [{**case, "nll": case["nll"][:1]}]
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        score(program, model, one_token, cache)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        say(failure)
        sys.exit(1)
