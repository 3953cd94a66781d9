"""Writes llama checkpoints as GGUF files the way llama.cpp's converter does, and reads them back."""

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Q


def gguf_name(name):
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
        "input_layernorm": "attn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    return f"blk.{layer}.{parts[rest.removesuffix('.weight')]}.weight"


def heads_of(name, config):
    """How many heads' rows llama.cpp reorders in this tensor; 0: none."""
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
    writer = gguf.GGUFWriter(path, "llama")
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
    if config.rope_scaling:
        assert config.rope_scaling["rope_type"] == "linear"
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_scaling["factor"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    if tokenizer:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(tokenizer.pre)
        writer.add_token_list(tokenizer.tokens)
        writer.add_token_types(tokenizer.types)
        writer.add_token_merges(tokenizer.merges)
        writer.add_bos_token_id(tokenizer.bos_id)
        writer.add_eos_token_id(tokenizer.eos_id)
        writer.add_add_bos_token(False)
        if tokenizer.chat_template:
            writer.add_chat_template(tokenizer.chat_template)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        weight = weight.numpy()
        if heads := heads_of(name, config):
            weight = pair_rows(weight, heads)
        stored = gguf_name(name)
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


def load_weights(path, model):
    """Loads a file's weights, dequantised, into a transformers model of that shape."""
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    state = {}
    for name in model.state_dict():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            name_in_file = "token_embd.weight"
        else:
            name_in_file = gguf_name(name)
        tensor = tensors[name_in_file]
        weight = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        # GGUF lists dimensions innermost first.
        weight = weight.reshape(tuple(int(dim) for dim in reversed(tensor.shape)))
        if heads := heads_of(name, model.config):
            weight = unpair_rows(weight, heads)
        state[name] = torch.from_numpy(np.ascontiguousarray(weight))
    model.load_state_dict(state)
    return model
