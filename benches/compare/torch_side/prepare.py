"""Makes what both sides are given: checkpoint, cases, and what transformers says of some of them."""

import argparse
import json
import logging
from pathlib import Path

import torch
from nanogcg.gcg import sample_ids_from_grad
from transformers import AutoTokenizer

import checkpoint
import works

SEQUENCES, LENGTH = 32, 90
# nanoGCG's own first prefix: 20 tokens.
PREFIX = " ".join(["x"] * 20)
MESSAGE = "{optim_str}\nWhat should I cook tonight with rice and eggs?"
TARGET = (
    "The cat sat by the stove and watched the rice, for she knew that no cook may leave out what a cat would steal."
)
TARGET_TOKENS = 24
CANDIDATES = 64


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf", required=True, type=Path)
    parser.add_argument("--checkpoint", required=True, type=Path)
    parser.add_argument("--cases", required=True, type=Path)
    parser.add_argument("--expected", required=True, type=Path)
    parser.add_argument("--seed", required=True, type=int)
    options = parser.parse_args()

    # nanoGCG warns that a CPU is slow.
    logging.disable(logging.WARNING)
    checkpoint.convert(options.gguf, options.checkpoint)
    model = works.load(options.checkpoint, torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(options.checkpoint)
    torch.manual_seed(options.seed)
    cases = {"sequences": random_sequences(tokenizer), "gcg": gcg_case(model, tokenizer)}
    options.cases.write_text(json.dumps(cases))
    options.expected.write_text(json.dumps(expected(model, cases)))


def random_sequences(tokenizer):
    ordinary = torch.tensor(sorted(set(range(len(tokenizer))) - set(tokenizer.added_tokens_decoder)))
    return ordinary[torch.randint(len(ordinary), (SEQUENCES, LENGTH))].tolist()


def gcg_case(model, tokenizer):
    """One message, cut into pieces as nanoGCG cuts it, and candidates as it samples them."""
    chat = [{"role": "user", "content": MESSAGE}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    before, after = text.split("{optim_str}")
    pieces = {"before": before, "prefix": PREFIX, "after": after, "target": TARGET}
    case = {name: tokenizer(piece, add_special_tokens=False)["input_ids"] for name, piece in pieces.items()}
    case["target"] = case["target"][:TARGET_TOKENS]
    assert len(case["target"]) == TARGET_TOKENS, "the target is too short for this tokenizer"

    gcg = works.nano_gcg(model, tokenizer, case)
    prefix = torch.tensor(case["prefix"])
    gradient = gcg.compute_token_gradient(prefix.unsqueeze(0)).squeeze(0)
    candidates = sample_ids_from_grad(prefix, gradient, CANDIDATES, not_allowed_ids=gcg.not_allowed_ids)
    return {**case, "candidates": candidates.tolist()}


@torch.inference_mode()
def expected(model, cases):
    """NLL of each scored token: random ids, and the text of the GCG case."""
    gcg = cases["gcg"]
    text = gcg["before"] + gcg["prefix"] + gcg["after"] + gcg["target"]
    checks = [(ids, LENGTH - works.SCORED) for ids in cases["sequences"][:4]] + [(text, len(text) - TARGET_TOKENS)]
    answers = []
    for ids, start in checks:
        ids = torch.tensor(ids)
        log_p = model(ids.unsqueeze(0)).logits[0].log_softmax(dim=-1)
        nll = -log_p[torch.arange(start, len(ids)) - 1, ids[start:]]
        answers.append({"ids": ids.tolist(), "completion_start": start, "nll": nll.tolist()})
    return answers


main()
