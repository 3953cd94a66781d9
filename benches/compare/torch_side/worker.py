"""One work in one process, so that its peak memory is its own.

Without --batch-size it times every batch size and says which is best. With it, it says when it is
ready, then warms up once and times once for each line on standard input. Answers are JSON, one a
line."""

import argparse
import ctypes
import json
import logging
import resource
import sys
import time
from pathlib import Path

import torch

import works


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--cases", required=True, type=Path)
    parser.add_argument("--work", required=True, choices=works.WORKS)
    parser.add_argument("--dtype", required=True, choices=["float32", "bfloat16"])
    parser.add_argument("--batch-size", type=int)
    options = parser.parse_args()

    libraries = peak_memory_bytes()
    # nanoGCG warns that a CPU is slow.
    logging.disable(logging.WARNING)
    model = works.load(options.checkpoint, getattr(torch, options.dtype))
    work = works.WORKS[options.work](model, options.checkpoint, json.loads(options.cases.read_text()))
    if options.batch_size is None:
        answer(**best_batch_size(work))
        return
    # Loading needs more for a moment, which is not the work's.
    forget_peak()
    answer(torch=torch.__version__, threads=torch.get_num_threads(), libraries_memory_bytes=libraries)
    for _ in sys.stdin:
        timed(work, options.batch_size)
        seconds, result = timed(work, options.batch_size)
        answer(seconds=seconds, result=result, peak_memory_bytes=peak_memory_bytes())


def best_batch_size(work):
    """The fastest; of those that are about as fast, the largest, so that noise does not choose."""
    seconds = {size: min(timed(work, size)[0] for _ in range(2)) for size in work.batch_sizes}
    fast_enough = 1.03 * min(seconds.values())
    return {"batch_size": max(size for size in seconds if seconds[size] <= fast_enough), "seconds_by_size": seconds}


def timed(work, batch_size):
    start = time.perf_counter()
    result = work.run(batch_size)
    return time.perf_counter() - start, result


def forget_peak():
    """Linux with glibc can; elsewhere the peak is that of the whole process."""
    try:
        # What loading has freed goes back to the system first.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (AttributeError, OSError):
        pass


def peak_memory_bytes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def answer(**content):
    print(json.dumps(content), flush=True)


main()
