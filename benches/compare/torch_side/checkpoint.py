"""A Llama GGUF file as a Hugging Face folder: the same weights, dequantised to f32."""

import shutil

import gguf
import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, PreTrainedTokenizerFast

CONTROL, USER_DEFINED = 3, 4  # of tokenizer.ggml.token_type

TOP_LEVEL = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
IN_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def convert(path, folder):
    """Writes the folder, unless it is there. It gets its name last, so a folder is whole."""
    if folder.exists():
        return
    reader = gguf.GGUFReader(path)
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    config = read_config(reader)
    config.save_pretrained(unfinished)
    read_tokenizer(reader).save_pretrained(unfinished)
    save_file(read_weights(reader, config), unfinished / "model.safetensors", metadata={"format": "pt"})
    unfinished.rename(folder)


def read_config(reader):
    def get(name, default=None):
        field = reader.fields.get(name)
        return default if field is None else field.contents()

    architecture = get("general.architecture")
    if architecture != "llama":
        raise SystemExit(f"{architecture} models cannot be compared: only llama files are converted")
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        hidden_size=get("llama.embedding_length"),
        intermediate_size=get("llama.feed_forward_length"),
        num_hidden_layers=get("llama.block_count"),
        num_attention_heads=get("llama.attention.head_count"),
        num_key_value_heads=get("llama.attention.head_count_kv"),
        head_dim=get("llama.rope.dimension_count"),
        vocab_size=get("llama.vocab_size"),
        max_position_embeddings=get("llama.context_length"),
        rms_norm_eps=get("llama.attention.layer_norm_rms_epsilon"),
        rope_theta=get("llama.rope.freq_base", 10000.0),
        tie_word_embeddings="output.weight" not in {tensor.name for tensor in reader.tensors},
        bos_token_id=get("tokenizer.ggml.bos_token_id"),
        eos_token_id=get("tokenizer.ggml.eos_token_id"),
    )


def read_weights(reader, config):
    weights = {}
    for tensor in reader.tensors:
        weight = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if tensor.name.endswith("attn_q.weight"):
            weight = halves_of_heads(weight, config.num_attention_heads)
        elif tensor.name.endswith("attn_k.weight"):
            weight = halves_of_heads(weight, config.num_key_value_heads)
        weights[hugging_face_name(tensor.name)] = np.ascontiguousarray(weight)
    return weights


def halves_of_heads(weight, heads):
    """llama.cpp rotates neighbouring rows (0, 1), (2, 3), …, and its files have the rows in that
    order; transformers rotates row i of a head with row i + head_dim / 2."""
    return weight.reshape(heads, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def hugging_face_name(name):
    if name in TOP_LEVEL:
        return TOP_LEVEL[name]
    match name.split("."):
        case ["blk", layer, part, "weight"] if part in IN_LAYER:
            return f"model.layers.{layer}.{IN_LAYER[part]}.weight"
    raise SystemExit(f"tensor {name} has no place in a Llama model of transformers")


def read_tokenizer(reader):
    def get(name):
        return reader.fields[name].contents()

    cut = get("tokenizer.ggml.pre")
    if cut != "smollm":
        raise SystemExit(f"the tokenizer cuts text as {cut!r} does; only 'smollm' is known here")
    tokens = get("tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in get("tokenizer.ggml.merges")]
    bpe = Tokenizer(models.BPE(vocab={token: id for id, token in enumerate(tokens)}, merges=merges))
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.add_tokens(
        [
            AddedToken(token, normalized=False, special=kind == CONTROL)
            for token, kind in zip(tokens, get("tokenizer.ggml.token_type"))
            if kind in (CONTROL, USER_DEFINED)
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=tokens[get("tokenizer.ggml.bos_token_id")],
        eos_token=tokens[get("tokenizer.ggml.eos_token_id")],
        pad_token=tokens[get("tokenizer.ggml.padding_token_id")],
        chat_template=get("tokenizer.chat_template"),
        clean_up_tokenization_spaces=False,
    )
