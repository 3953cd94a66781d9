"""The two sides. Each can do one repeat at a time, so that repeats can be interleaved: a warm-up, then
one timed run, and says what it took, what came out and how much memory its process needed."""

import json
import os
import subprocess
import sys
import tempfile

from environment import HERE, Failure

# What each torch side is started with.
DTYPES = {"f32": "float32", "bf16": "bfloat16"}


class Steerage:
    """`steerage bench`, a process a repeat."""

    def __init__(self, program, model, cases, work):
        self.command = [program, "bench", "--model", model, "--work", work, "--repeats", "1"]
        self.command += ["--cases", cases, "--json"]
        self.work, self.facts = work, {}

    def repeat(self):
        output, peak = run_measured(self.command)
        try:
            answer = json.loads(output.strip().splitlines()[-1])
            [work] = [work for work in answer["work"] if work["name"] == self.work]
        except (ValueError, LookupError) as error:
            raise Failure(f"{shown(self.command)} printed no answer for {self.work}: {output[:200]!r}") from error
        # Its own count may leave out what loading took; the system's does not.
        return {**work, "peak_memory_bytes": peak, "gemm_peak_gflops": answer["gemm_peak_gflops"]}

    def close(self):
        pass


class Torch:
    """A process that holds the model and sleeps while the other side runs."""

    def __init__(self, python, checkpoint, cases, work, dtype):
        worker = HERE / "torch_side" / "worker.py"
        command = [python, worker, "--checkpoint", checkpoint, "--cases", cases, "--work", work]
        command += ["--dtype", DTYPES[dtype]]
        # In a process of its own: what a larger batch needed stays in the allocator.
        tried = json.loads(run_measured(command)[0])
        self.command = [*command, "--batch-size", str(tried["batch_size"])]
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        # Waits until it is ready, so that its start disturbs nobody.
        self.facts = {**tried, **self.answer()}

    def repeat(self):
        print("repeat", file=self.process.stdin, flush=True)
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"{shown(self.command)} ended with {self.process.wait()}; its message stands above")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run_measured(command):
    """Standard output and peak memory in bytes of a command that must succeed."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise Failure(f"{shown(command)} ended with {process.returncode}: {errors.read().strip()}")
    peak = usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024
    return output, peak


def shown(command):
    return " ".join(map(str, command))
