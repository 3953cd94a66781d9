"""What the comparison needs on this machine: torch in a venv of its own, the program, the model."""

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Of those that the CPU has, these decide which kernels run.
CPU_FLAGS = ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16", "sve"]


class Failure(Exception):
    """What went wrong, and what to do."""


def steerage_cache():
    """As the program finds it."""
    if folder := os.environ.get("STEERAGE_CACHE_DIR"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steerage"


def target_folder():
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


def python_with_torch(cache):
    """The venv's interpreter. The venv is made anew when requirements.txt is not what it was made from."""
    venv, wanted = cache / "venv", (HERE / "requirements.txt").read_text()
    python, made_from = venv / "bin" / "python", venv / "made-from.txt"
    if made_from.exists() and made_from.read_text() == wanted:
        return python
    if not (3, 11) <= sys.version_info < (3, 14):
        raise Failure(f"the versions in requirements.txt need Python 3.11 to 3.13; this is {platform.python_version()}")
    say(f"installing torch, transformers and nanoGCG into {venv}; once, and up to 6 GB")
    commands = [
        [sys.executable, "-m", "venv", "--clear", venv],
        [python, "-m", "pip", "install", "--quiet", "--requirement", HERE / "requirements.txt"],
    ]
    for command in commands:
        if subprocess.run(command).returncode != 0:
            raise Failure(f"{' '.join(map(str, command))} failed; its message stands above")
    made_from.write_text(wanted)
    return python


def steerage_program(path):
    program = Path(path) if path else target_folder() / "release" / "steerage"
    if not os.access(program, os.X_OK):
        how = "cargo xtask page && cargo build --release --package steerage"
        raise Failure(f"no program at {program}; build it with `{how}`, or give --steerage PROGRAM")
    return program


def model_file(program, model):
    """The GGUF file of a model by name, fetched if need be, or the file that was named."""
    if model.endswith(".gguf"):
        return existing(Path(model))
    fetched = subprocess.run([program, "models", "fetch", model], stdout=sys.stderr)
    if fetched.returncode != 0:
        raise Failure(f"`steerage models fetch {model}` failed; its message stands above")
    folder = steerage_cache() / "models" / model
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        raise Failure(f"{folder} has {len(files)} GGUF files, not one; give --model FILE.gguf")
    return files[0]


def existing(path):
    if not path.is_file():
        raise Failure(f"no file {path}")
    return path


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def machine(python):
    """Facts without which the numbers mean nothing."""
    names = ["torch", "transformers", "nanogcg", "numpy"]
    ask = f"import importlib.metadata as m; print(*map(m.version, {names}))"
    versions = subprocess.check_output([python, "-c", ask], text=True).split()
    cpu = cpu_information()
    flags = cpu.get("flags", cpu.get("Features", "")).split()
    return {
        "cpu": cpu.get("model name", platform.processor()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu_flags": [flag for flag in CPU_FLAGS if flag in flags],
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "load_average": os.getloadavg()[0],
        "versions": dict(zip(names, versions, strict=True)),
        "commit": commit(),
    }


def cpu_information():
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    lines = (line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in lines}


def commit():
    described = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return described.stdout.strip() or None


def say(message):
    print(f"compare: {message}", file=sys.stderr, flush=True)
