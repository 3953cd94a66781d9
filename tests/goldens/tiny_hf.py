"""Small random llama checkpoints as Hugging Face directories, each odd in its own way."""

import json

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

import reference

COMMON = dict(
    model_type="llama",
    architectures=["LlamaForCausalLM"],
    hidden_act="silu",
    max_position_embeddings=128,
    attention_bias=False,
    mlp_bias=False,
)

# One entry a checkpoint: what it is for, its config.json beyond COMMON, how its weights are stored.
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
}


def build(config, seed):
    """A random model. Weights are large enough for attention to be sharp and for every layer, norm
    and rotation to matter; transformers' own initialisation (0.02) would hide mistakes."""
    config = dict(config)
    parameters = config.pop("rope_parameters", None)
    if parameters:
        config["rope_theta"] = parameters["rope_theta"]
        config["rope_scaling"] = {k: v for k, v in parameters.items() if k != "rope_theta"}
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**COMMON, **config, attn_implementation="eager")).eval()
    for name, weight in model.named_parameters():
        weight.requires_grad_(False)
        if "norm" in name:
            weight.copy_(1.0 + 0.2 * torch.randn_like(weight))
        elif "embed_tokens" in name:
            weight.copy_(0.3 * torch.randn_like(weight))
        else:
            weight.copy_(1.5 / weight.shape[1] ** 0.5 * torch.randn_like(weight))
    return model


def make(folder):
    for seed, (name, checkpoint) in enumerate(CHECKPOINTS.items()):
        print(f"  {name}")
        config = {**COMMON, **checkpoint["config"]}
        model = build(checkpoint["config"], seed)
        dtype = checkpoint.get("dtype", torch.float32)
        weights = {k: v.to(dtype).contiguous() for k, v in model.state_dict().items()}
        if config["tie_word_embeddings"]:
            del weights["lm_head.weight"]
        directory = folder / name
        directory.mkdir()
        save(weights, directory, checkpoint.get("shards", 1))
        (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")

        # The expectation is that of the stored weights, read back.
        stored = {k: v.float() for file in directory.glob("*.safetensors") for k, v in load_file(file).items()}
        missing, unexpected = model.load_state_dict(stored, strict=False)
        assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
        assert_sensitive(model, checkpoint["config"], seed)
        rng = np.random.default_rng(seed)
        vocab_size = config["vocab_size"]
        cases = reference.random_cases(rng, vocab_size)
        description = dict(name=name, why=checkpoint["why"], architecture="llama", checkpoint=name)
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
def assert_sensitive(model, config, seed):
    """A golden is worth something only if a wrong implementation would miss it: each of these
    mistakes must change the logits far more than the tests allow."""
    ids = torch.tensor([np.random.default_rng(seed).integers(0, config["vocab_size"], 40).tolist()])
    right = model(input_ids=ids).logits

    def mistake(name, **changes):
        wrong = build({**config, **changes}, seed)
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
    kv_heads = config.get("num_key_value_heads", config["num_attention_heads"])
    if 1 < kv_heads < config["num_attention_heads"]:
        # Query head h must use key head h // group, not h % kv_heads.
        wrong = build(config, seed)
        wrong.load_state_dict(model.state_dict())
        heads, width = config["num_attention_heads"], config["head_dim"]
        order = torch.arange(heads).reshape(-1, kv_heads).T.reshape(-1)
        rows = (order[:, None] * width + torch.arange(width)).reshape(-1)
        for layer in wrong.model.layers:
            layer.self_attn.q_proj.weight.copy_(layer.self_attn.q_proj.weight[rows])
            layer.self_attn.o_proj.weight.copy_(layer.self_attn.o_proj.weight[:, rows])
        difference = (wrong(input_ids=ids).logits - right).abs().max().item()
        assert difference > 0.02, f"another order of heads changes the logits by {difference} only"
