"""Makes every golden in this folder, from nothing but seeds and the default model's file.

    cargo run --package steerage -- models fetch
    python3 -m venv .venv && .venv/bin/pip install -r tests/goldens/requirements.txt
    .venv/bin/python tests/goldens/make_goldens.py

What each file holds:

    tiny/<name>.json          which checkpoint, its cases, greedy continuations, token ids of texts
    tiny/<name>.safetensors   expected logits and gradients of those cases
    tiny/<name>/              the checkpoint as a Hugging Face directory, or
    tiny/<name>.gguf          the checkpoint as a GGUF file
    default-model/            the same two files for the real model
    chat-templates.json       templates and the prompts that Python's Jinja makes of them

Everything expected comes from Hugging Face transformers (float32, CPU, eager attention). Quantised
weights are dequantised with the gguf package and loaded into transformers as they then are.
`shared/tests/conformance` reads all of it.
"""

import argparse
import os
import shutil
from pathlib import Path

import torch

import chat_templates
import default_model
import tiny_gguf
import tiny_hf

HERE = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only-tiny", action="store_true", help="leaves the goldens of the default model alone")
    parser.add_argument("--model-file", type=Path, default=cached_model(), help="GGUF file of the default model")
    arguments = parser.parse_args()
    if not arguments.model_file.exists():
        parser.error(f"{arguments.model_file} does not exist; fetch it with `steerage models fetch`")
    torch.set_grad_enabled(True)
    torch.use_deterministic_algorithms(True)
    # One thread: sums then have one order, and the files stay the same from run to run.
    torch.set_num_threads(1)

    shutil.rmtree(HERE / "tiny", ignore_errors=True)
    (HERE / "tiny").mkdir()
    tiny_hf.make(HERE / "tiny")
    tiny_gguf.make(HERE / "tiny")
    chat_templates.make(HERE / "chat-templates.json")
    if arguments.only_tiny:
        return
    shutil.rmtree(HERE / "default-model", ignore_errors=True)
    (HERE / "default-model").mkdir()
    default_model.make(arguments.model_file, HERE / "default-model")


def cached_model():
    """Where `steerage models fetch` puts the default model."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(os.environ.get("STEERAGE_CACHE_DIR") or home / "steerage")
    return cache / "models" / "smollm2-135m" / "SmolLM2-135M-Instruct.Q4_1.gguf"


if __name__ == "__main__":
    main()
