"""What is expected of a model: computed with transformers, written as JSON and safetensors."""

import json

import numpy as np
import torch
from safetensors.numpy import save_file

EARLY_K = 32
EARLY_WEIGHT = 3.0
# A greedy choice counts only where the runner-up is this far behind (logits): elsewhere another
# order of summation may rightly choose the other.
MIN_MARGIN = 0.005


def weighted_ce(model, ids, prefix, completion):
    """NLL of each completion token, their weighted mean, and its gradient with respect to the
    looked-up embeddings of the prefix positions; and the logits of all positions."""
    ids = torch.tensor(ids)
    embeds = model.get_input_embeddings()(ids).detach().requires_grad_(True)
    logits = model(inputs_embeds=embeds.unsqueeze(0)).logits[0]
    log_p = torch.log_softmax(logits, dim=-1)
    positions = torch.arange(completion[0], completion[1])
    nll = -log_p[positions - 1, ids[positions]]
    weights = torch.where(torch.arange(len(positions)) < EARLY_K, EARLY_WEIGHT, 1.0)
    ce = (nll * weights).sum() / weights.sum()
    (gradient,) = torch.autograd.grad(ce, embeds)
    # What stands after the completion must not matter, nor the last completion token itself.
    assert gradient[completion[1] - 1 :].abs().max() == 0
    return {
        "nll": nll.detach().numpy(),
        "weighted_ce": ce.item(),
        "gradient": gradient[prefix[0] : prefix[1]].numpy(),
        "logits": logits.detach().numpy(),
    }


@torch.no_grad()
def greedy(model, prompt, max_tokens, stop_ids):
    """Greedy continuation of a prompt, up to a near tie; the stop token is kept."""
    ids = list(prompt)
    while len(ids) < len(prompt) + max_tokens:
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
        first, second = logits.topk(2).values.tolist()
        if first - second < MIN_MARGIN:
            break
        ids.append(logits.argmax().item())
        if ids[-1] in stop_ids:
            break
    return ids[len(prompt) :]


def greedy_goldens(model, rng, max_tokens=12):
    """Continuations of random prompts without a stop token, and with one that stands in the middle
    of the first."""
    goldens = []
    for length in (8, 3, 13):
        completion = []
        while len(completion) < max_tokens:
            prompt = rng.integers(0, model.config.vocab_size, length).tolist()
            completion = greedy(model, prompt, max_tokens, [])
        goldens.append({"prompt": prompt, "stop_ids": [], "completion": completion})
    prompt, free = goldens[0]["prompt"], goldens[0]["completion"]
    stop = free[max_tokens // 2]
    stopped = free[: free.index(stop) + 1]
    assert stopped == greedy(model, prompt, max_tokens, [stop])
    goldens.append({"prompt": prompt, "stop_ids": [stop], "completion": stopped})
    return goldens


def random_cases(rng, vocab_size):
    """Sequences with a prefix and a completion here and there: (id, ids, prefix, completion)."""
    layouts = [
        ("short", 12, (2, 5), (8, 12)),
        ("long", 60, (1, 7), (20, 60)),  # past early_k
        ("one", 9, (0, 3), (8, 9)),
        ("inner", 30, (4, 10), (12, 25)),  # tokens after the completion
    ]
    return [(name, rng.integers(0, vocab_size, length).tolist(), p, c) for name, length, p, c in layouts]


def sampled_weights(model, count=64):
    """Some values of every weight, evenly spread over the flattened tensor: element `i·n // count` of
    `n` for each `i`."""
    samples = {}
    for name, weight in model.state_dict().items():
        flat = weight.flatten()
        samples[f"weights.{name}"] = flat[torch.arange(count) * len(flat) // count].numpy()
    return samples


def write(path, description, model, cases, full_logits=("short", "one", "inner"), tensors=(), **more):
    """Writes `path`.json and `path`.safetensors."""
    tensors, described = dict(tensors), []
    for name, ids, prefix, completion in cases:
        expected = weighted_ce(model, ids, prefix, completion)
        described.append(
            {
                "id": name,
                "ids": ids,
                "prefix": prefix,
                "completion": completion,
                "nll": [round(float(x), 6) for x in expected["nll"]],
                "weighted_ce": round(expected["weighted_ce"], 7),
            }
        )
        tensors[f"{name}.gradient"] = expected["gradient"]
        if name in full_logits:
            tensors[f"{name}.logits"] = expected["logits"]
    content = {**description, "early_k": EARLY_K, "early_weight": EARLY_WEIGHT, "cases": described, **more}
    write_json(path.with_name(path.name + ".json"), content)
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, f"{path}.safetensors")


def write_json(path, content):
    """JSON with one line for each entry of a list, so that a change shows as one."""
    lines = []
    for key, value in content.items():
        if isinstance(value, list) and value and not isinstance(value[0], (int, float)):
            entries = ",\n    ".join(json.dumps(entry, ensure_ascii=False) for entry in value)
            lines.append(f"{json.dumps(key)}: [\n    {entries}\n  ]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    path.write_text("{\n  " + ",\n  ".join(lines) + "\n}\n", encoding="utf-8")
