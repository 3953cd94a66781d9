"""Writes checkpoints as GGUF files the way llama.cpp's converter does, and reads them back."""

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Q

from architectures import NORM_OFFSET


# Names of the norms in a layer, which mean different things in different architectures.
NORMS = {
    "llama": {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"},
    "gemma2": {
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "post_attention_norm",
        "pre_feedforward_layernorm": "ffn_norm",
        "post_feedforward_layernorm": "post_ffw_norm",
    },
}


def gguf_name(name, architecture):
    """The GGUF name of a Hugging Face tensor."""
    top = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if name in top:
        return top[name]
    _, _, layer, rest = name.split(".", 3)
    parts = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        **NORMS[architecture],
    }
    return f"blk.{layer}.{parts[rest.removesuffix('.weight')]}.weight"


def heads_of(name, config):
    """How many heads' rows llama.cpp reorders in this tensor; 0: none."""
    if config.model_type != "llama":
        return 0
    if name.endswith("q_proj.weight"):
        return config.num_attention_heads
    return config.num_key_value_heads if name.endswith("k_proj.weight") else 0


def pair_rows(weight, heads):
    """Halves of each head to neighbouring pairs: llama.cpp's rope rotates neighbours."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def unpair_rows(weight, heads):
    return weight.reshape(heads, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def write(path, model, type_of, tokenizer=None, k_quants=None):
    """Writes the model; `type_of(gguf_name)` says how a matrix is stored. `k_quants` makes blocks of
    types that the gguf package can read but not write."""
    config = model.config
    architecture = config.model_type
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(path.stem)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    if config.head_dim * config.num_attention_heads != config.hidden_size:
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_theta)
    scaling = (getattr(config, "rope_scaling", None) or {}).get("rope_type")
    assert scaling in (None, "linear", "llama3")
    if scaling == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_divisors(model))
    if scaling == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_scaling["factor"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    if architecture == "gemma2":
        # There is no field for it: readers take the width of a head.
        assert config.query_pre_attn_scalar == config.head_dim
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
        writer.add_sliding_window(config.sliding_window)
    if tokenizer:
        tokenizer.write(writer)
        if tokenizer.chat_template:
            writer.add_chat_template(tokenizer.chat_template)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        weight = weight.numpy()
        if heads := heads_of(name, config):
            weight = pair_rows(weight, heads)
        if weight.ndim == 1:
            weight = weight + np.float32(NORM_OFFSET[architecture])
        stored = gguf_name(name, architecture)
        kind = Q.F32 if weight.ndim == 1 else type_of(stored)
        if kind == Q.F32:
            writer.add_tensor(stored, np.ascontiguousarray(weight))
        elif k_quants and kind in k_quants:
            writer.add_tensor(stored, k_quants[kind](weight.shape), raw_dtype=kind)
        else:
            writer.add_tensor(stored, gguf.quants.quantize(np.ascontiguousarray(weight), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def rope_divisors(model):
    """What each rotary frequency is divided by."""
    rope = model.model.rotary_emb
    exponents = torch.arange(0, model.config.head_dim, 2).float() / model.config.head_dim
    return (1.0 / model.config.rope_theta**exponents / rope.inv_freq).numpy()


def load_weights(path, model):
    """Loads a file's weights, dequantised, into a transformers model of that shape."""
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    state = {}
    for name in model.state_dict():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            name_in_file = "token_embd.weight"
        else:
            name_in_file = gguf_name(name, model.config.model_type)
        tensor = tensors[name_in_file]
        weight = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        # GGUF lists dimensions innermost first.
        weight = weight.reshape(tuple(int(dim) for dim in reversed(tensor.shape)))
        if heads := heads_of(name, model.config):
            weight = unpair_rows(weight, heads)
        if weight.ndim == 1:
            weight = weight - np.float32(NORM_OFFSET[model.config.model_type])
        state[name] = torch.from_numpy(np.ascontiguousarray(weight))
    model.load_state_dict(state)
    return model
