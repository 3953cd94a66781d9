"""Small random checkpoints as Hugging Face directories, each odd in its own way."""

import json

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import reference
from architectures import COMMON, build, is_tied

# One entry a checkpoint: what it is for, its config.json beyond COMMON, how its weights are stored;
# llama where no architecture stands.
CHECKPOINTS = {
    "mha-tied": dict(
        why="1:1 heads, tied head; an old config.json without num_key_value_heads and head_dim",
        config=dict(
            hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
            vocab_size=97, rms_norm_eps=1e-5, tie_word_embeddings=True,
        ),
    ),
    "gqa3-wide-heads": dict(
        why="3:1 heads of 16 in a stream of 48, three layers, own head, a large eps",
        config=dict(
            hidden_size=48, intermediate_size=64, num_hidden_layers=3, num_attention_heads=6,
            num_key_value_heads=2, head_dim=16, vocab_size=131, rms_norm_eps=1e-2, rope_theta=100000.0,
            tie_word_embeddings=False,
        ),
    ),
    "mqa8-one-layer": dict(
        why="8:1 heads of 6 in a stream of 40, one layer, a small rope_theta",
        config=dict(
            hidden_size=40, intermediate_size=56, num_hidden_layers=1, num_attention_heads=8,
            num_key_value_heads=1, head_dim=6, vocab_size=101, rms_norm_eps=1e-6, rope_theta=500.0,
            tie_word_embeddings=False,
        ),
    ),
    "rope-llama3": dict(
        why="Llama 3 rope scaling with short, blended and long wavelengths",
        config=dict(
            hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, head_dim=32, vocab_size=97, rms_norm_eps=1e-5, rope_theta=500.0,
            tie_word_embeddings=True,
            rope_scaling=dict(
                rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                original_max_position_embeddings=48,
            ),
        ),
    ),
    "rope-linear": dict(
        why="linear rope scaling, in a config.json as transformers 5 writes it",
        config=dict(
            hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, vocab_size=97, rms_norm_eps=1e-5,
            tie_word_embeddings=False,
            rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=1000.0),
        ),
    ),
    "bf16-shards": dict(
        why="bfloat16 weights in two files with an index",
        dtype=torch.bfloat16,
        shards=2,
        config=dict(
            hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, vocab_size=97, rms_norm_eps=1e-5, rope_theta=10000.0,
            tie_word_embeddings=False,
        ),
    ),
    "f16": dict(
        why="float16 weights",
        dtype=torch.float16,
        config=dict(
            hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, vocab_size=97, rms_norm_eps=1e-5, rope_theta=10000.0,
            tie_word_embeddings=True,
        ),
    ),
    "gemma2-window": dict(
        why="3:1 heads of 16 in a stream of 48, a window of 4, soft-caps that bite, a query scale of its own, tied",
        architecture="gemma2",
        config=dict(
            hidden_size=48, intermediate_size=64, num_hidden_layers=3, num_attention_heads=6,
            num_key_value_heads=2, head_dim=16, vocab_size=113, rms_norm_eps=1e-5, rope_theta=10000.0,
            sliding_window=4, query_pre_attn_scalar=40, attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
        ),
    ),
    "gemma2-mqa8-one-layer": dict(
        why="8:1 heads of 6 in a stream of 40, one layer, which is local, own head, no final soft-cap",
        architecture="gemma2",
        config=dict(
            hidden_size=40, intermediate_size=56, num_hidden_layers=1, num_attention_heads=8,
            num_key_value_heads=1, head_dim=6, vocab_size=101, rms_norm_eps=1e-2, rope_theta=500.0,
            sliding_window=7, query_pre_attn_scalar=6, attn_logit_softcapping=1.5, final_logit_softcapping=None,
            tie_word_embeddings=False,
        ),
    ),
    "gemma2-mha-bf16": dict(
        why="1:1 heads, bfloat16 weights in two files, layer_types the other way round, no attention soft-cap, own head",
        architecture="gemma2",
        dtype=torch.bfloat16,
        shards=2,
        config=dict(
            hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=4, head_dim=8, vocab_size=97, rms_norm_eps=1e-6, rope_theta=10000.0,
            layer_types=["full_attention", "sliding_attention"], sliding_window=5, query_pre_attn_scalar=8,
            attn_logit_softcapping=None, final_logit_softcapping=4.0, tie_word_embeddings=False,
        ),
    ),
}


def make(folder):
    for seed, (name, checkpoint) in enumerate(CHECKPOINTS.items()):
        print(f"  {name}")
        architecture = checkpoint.get("architecture", "llama")
        config = {**COMMON[architecture], **checkpoint["config"]}
        model = build(checkpoint["config"], seed, architecture)
        dtype = checkpoint.get("dtype", torch.float32)
        weights = {k: v.to(dtype).contiguous() for k, v in model.state_dict().items()}
        if is_tied(config, architecture):
            del weights["lm_head.weight"]
        directory = folder / name
        directory.mkdir()
        save(weights, directory, checkpoint.get("shards", 1))
        (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")

        # The expectation is that of the stored weights, read back.
        stored = {k: v.float() for file in directory.glob("*.safetensors") for k, v in load_file(file).items()}
        missing, unexpected = model.load_state_dict(stored, strict=False)
        assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
        assert_sensitive(model, checkpoint["config"], seed, architecture)
        rng = np.random.default_rng(seed)
        vocab_size = config["vocab_size"]
        cases = reference.random_cases(rng, vocab_size)
        description = dict(name=name, why=checkpoint["why"], architecture=architecture, checkpoint=name)
        reference.write(folder / name, description, model, cases, greedy=reference.greedy_goldens(model, rng))


def save(weights, directory, shards):
    if shards == 1:
        save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
        return
    names = sorted(weights)
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = {name: weights[name] for name in names[shard::shards]}
        save_file(part, directory / file, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(part, file))
    index = dict(metadata=dict(total_size=sum(w.nbytes for w in weights.values())), weight_map=weight_map)
    (directory / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


@torch.no_grad()
def assert_sensitive(model, config, seed, architecture):
    """A golden is worth something only if a wrong implementation would miss it: each of these
    mistakes must change the logits far more than the tests allow."""
    ids = torch.tensor([np.random.default_rng(seed).integers(0, config["vocab_size"], 40).tolist()])
    right = model(input_ids=ids).logits

    def mistake(name, **changes):
        wrong = build({**config, **changes}, seed, architecture)
        wrong.load_state_dict(model.state_dict())
        difference = (wrong(input_ids=ids).logits - right).abs().max().item()
        assert difference > 0.02, f"{name} changes the logits by {difference} only"

    if "rope_parameters" in config:
        mistake("no rope scaling", rope_parameters=dict(rope_type="default", rope_theta=1000.0))
        mistake("another rope theta", rope_parameters={**config["rope_parameters"], "rope_theta": 10000.0})
    else:
        mistake("another rope theta", rope_theta=3 * config.get("rope_theta", 10000.0))
    if "rope_scaling" in config:
        mistake("no rope scaling", rope_scaling=None)
        linear = dict(rope_type="linear", factor=config["rope_scaling"]["factor"])
        mistake("linear instead of Llama 3 scaling", rope_scaling=linear)
    if config["rms_norm_eps"] == 1e-2:
        mistake("another eps", rms_norm_eps=1e-5)
    if architecture == "gemma2":
        window, layers = config["sliding_window"], config["num_hidden_layers"]
        mistake("a shorter window", sliding_window=window - 1)
        mistake("a longer window", sliding_window=window + 1)
        mistake("no local layer", layer_types=["full_attention"] * layers)
        if layers > 1:
            mistake("no global layer", layer_types=["sliding_attention"] * layers)
        if config["query_pre_attn_scalar"] != config["head_dim"]:
            mistake("queries scaled by the width of a head", query_pre_attn_scalar=config["head_dim"])
        if config["attn_logit_softcapping"]:
            mistake("no attention soft-cap", attn_logit_softcapping=None)
        if config["final_logit_softcapping"]:
            mistake("no final soft-cap", final_logit_softcapping=None)
    kv_heads = config.get("num_key_value_heads", config["num_attention_heads"])
    if 1 < kv_heads < config["num_attention_heads"]:
        # Query head h must use key head h // group, not h % kv_heads.
        wrong = build(config, seed, architecture)
        wrong.load_state_dict(model.state_dict())
        heads, width = config["num_attention_heads"], config["head_dim"]
        order = torch.arange(heads).reshape(-1, kv_heads).T.reshape(-1)
        rows = (order[:, None] * width + torch.arange(width)).reshape(-1)
        for layer in wrong.model.layers:
            layer.self_attn.q_proj.weight.copy_(layer.self_attn.q_proj.weight[rows])
            layer.self_attn.o_proj.weight.copy_(layer.self_attn.o_proj.weight[:, rows])
        difference = (wrong(input_ids=ids).logits - right).abs().max().item()
        assert difference > 0.02, f"another order of heads changes the logits by {difference} only"
