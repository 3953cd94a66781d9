"""Small random checkpoints as GGUF files, in the types that files in the wild have."""

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Q

import gguf_file
import reference
import sentencepiece_tokenization
import tokenization
from architectures import build

CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are small.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# With a BOS token, trimming, and the whitespace control that indented templates rely on.
INDENTED = """{{ bos_token }}
{%- for message in messages %}
    {%- if message['role'] == 'user' %}
        {{- '<|im_start|>user\n\n' + message['content'] | trim + '<|im_end|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n\n' }}
{%- endif %}
"""


def everywhere(kind):
    return lambda name: kind


def mixed(name):
    """Another type for each kind of matrix."""
    kinds = {
        "token_embd": Q.Q8_0, "attn_q": Q.Q4_0, "attn_k": Q.Q5_0, "attn_v": Q.Q5_1, "attn_output": Q.BF16,
        "ffn_gate": Q.F16, "ffn_up": Q.Q4_1, "ffn_down": Q.Q8_0, "output": Q.F32,
    }
    return kinds[name.removesuffix(".weight").split(".")[-1]]


def q4_1(name):
    """As in the default model: the embedding, which is the head too, keeps eight bits."""
    return Q.Q8_0 if name == "token_embd.weight" else Q.Q4_1


def k_mix(name):
    """K types everywhere but in rows that are no multiple of their blocks of 256."""
    kinds = {"token_embd": Q.Q8_0, "attn_v": Q.Q6_K, "ffn_down": Q.Q6_K, "ffn_up": Q.Q5_K}
    return kinds.get(name.removesuffix(".weight").split(".")[-1], Q.Q4_K)


def k_mix_narrow(name):
    kinds = {"token_embd": Q.Q6_K, "attn_output": Q.Q8_0, "ffn_down": Q.Q5_0, "ffn_up": Q.Q5_K, "attn_v": Q.Q6_K}
    return kinds.get(name.removesuffix(".weight").split(".")[-1], Q.Q4_K)


CHECKPOINTS = {
    "gguf-f32-wide-heads": dict(
        why="F32; 3:1 heads of 16 in a stream of 48 (attention.key_length), own head; no tokenizer",
        type_of=everywhere(Q.F32),
        config=dict(
            hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=6,
            num_key_value_heads=2, head_dim=16, vocab_size=113, rms_norm_eps=1e-5, rope_theta=50000.0,
            tie_word_embeddings=False,
        ),
    ),
    "gguf-f16-linear": dict(
        why="F16; 8:1 heads, tied head, linear rope scaling; gpt-2 pre-tokenizer, no chat template",
        type_of=everywhere(Q.F16),
        tokenizer=lambda: tokenization.tiny("gpt-2", None),
        config=dict(
            hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=8,
            num_key_value_heads=1, head_dim=4, rms_norm_eps=1e-5, rope_theta=500.0,
            rope_scaling=dict(rope_type="linear", factor=2.0), tie_word_embeddings=True,
        ),
    ),
    "gguf-q8_0": dict(
        why="Q8_0; 2:1 heads, tied head; smollm pre-tokenizer and a ChatML template",
        type_of=everywhere(Q.Q8_0),
        tokenizer=lambda: tokenization.tiny("smollm", CHATML),
        config=dict(
            hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-5, rope_theta=100000.0,
            tie_word_embeddings=True,
        ),
    ),
    "gguf-q4_1": dict(
        why="Q4_1 under a Q8_0 embedding, as in the default model; llama-bpe pre-tokenizer, BOS in the template",
        type_of=q4_1,
        tokenizer=lambda: tokenization.tiny("llama-bpe", INDENTED),
        config=dict(
            hidden_size=96, intermediate_size=128, num_hidden_layers=3, num_attention_heads=6,
            num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-5, rope_theta=10000.0,
            tie_word_embeddings=True,
        ),
    ),
    "gguf-mixed": dict(
        why="Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, BF16, F16 and F32 in one file, own head",
        type_of=mixed,
        config=dict(
            hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=1, head_dim=16, vocab_size=97, rms_norm_eps=1e-5, rope_theta=10000.0,
            tie_word_embeddings=False,
        ),
    ),
    "gguf-k-quants": dict(
        why="Q4_K, Q5_K and Q6_K, the types of the common _K_M files",
        type_of=k_mix,
        config=dict(
            hidden_size=256, intermediate_size=256, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=2, head_dim=64, vocab_size=97, rms_norm_eps=1e-5, rope_theta=10000.0,
            tie_word_embeddings=True,
        ),
    ),
    "gguf-rope-freqs": dict(
        why="Llama 3 rope scaling as rope_freqs.weight; a SentencePiece vocabulary that puts a space first",
        type_of=everywhere(Q.F16),
        tokenizer=sentencepiece_tokenization.llama,
        config=dict(
            hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, head_dim=32, rms_norm_eps=1e-5, rope_theta=500.0, tie_word_embeddings=True,
            rope_scaling=dict(
                rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                original_max_position_embeddings=48,
            ),
        ),
    ),
    "gguf-gemma2-f32": dict(
        why="F32; 3:1 heads of 16 in a stream of 48, a window of 4, soft-caps that bite, own head; no tokenizer",
        architecture="gemma2",
        type_of=everywhere(Q.F32),
        config=dict(
            hidden_size=48, intermediate_size=64, num_hidden_layers=3, num_attention_heads=6,
            num_key_value_heads=2, head_dim=16, vocab_size=113, rms_norm_eps=1e-5, rope_theta=10000.0,
            sliding_window=4, query_pre_attn_scalar=16, attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
            tie_word_embeddings=False,
        ),
    ),
    "gguf-gemma2-q8_0": dict(
        why="Q8_0; 8:1 heads, tied; a SentencePiece vocabulary and a chat template like Gemma's",
        architecture="gemma2",
        type_of=everywhere(Q.Q8_0),
        tokenizer=sentencepiece_tokenization.gemma,
        config=dict(
            hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=8,
            num_key_value_heads=1, head_dim=8, rms_norm_eps=1e-6, rope_theta=10000.0,
            sliding_window=6, query_pre_attn_scalar=8, attn_logit_softcapping=1.5, final_logit_softcapping=4.0,
        ),
    ),
    "gguf-gemma2-mixed": dict(
        why="Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, BF16, F16 and F32 in one file, 1:1 heads, one layer",
        architecture="gemma2",
        type_of=mixed,
        config=dict(
            hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=4, head_dim=16, vocab_size=97, rms_norm_eps=1e-6, rope_theta=10000.0,
            sliding_window=4, query_pre_attn_scalar=16, attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
            tie_word_embeddings=False,
        ),
    ),
    "gguf-gemma2-k-quants": dict(
        why="Q4_K, Q5_K and Q6_K, and the types that stand in where rows are too short for them",
        architecture="gemma2",
        type_of=k_mix_narrow,
        config=dict(
            hidden_size=256, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, head_dim=16, vocab_size=97, rms_norm_eps=1e-6, rope_theta=10000.0,
            sliding_window=4, query_pre_attn_scalar=16, attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
        ),
    ),
}


def random_k_quants(rng):
    """Random blocks of the K types: the gguf package reads them but does not write them. The scales
    are such that values have mean near 0 and the spread that other weights here have."""

    def blocks(shape, block_bytes, scales):
        rows, columns = shape
        count = rows * columns // 256
        data = rng.integers(0, 256, (count, block_bytes), dtype=np.uint8)
        for offset, scale in scales:
            halves = (scale * rng.uniform(0.8, 1.2, (count, 1))).astype(np.float16)
            data[:, offset : offset + 2] = halves.view(np.uint8)
        return data.reshape(rows, -1)

    return {
        Q.Q4_K: lambda shape: blocks(shape, 144, [(0, 3.0e-4), (2, 2.3e-3)]),  # d, dmin, ...
        Q.Q5_K: lambda shape: blocks(shape, 176, [(0, 1.5e-4), (2, 2.3e-3)]),  # d, dmin, ...
        Q.Q6_K: lambda shape: blocks(shape, 210, [(208, 5.0e-5)]),  # ..., d
    }


def make(folder):
    for seed, (name, checkpoint) in enumerate(CHECKPOINTS.items(), start=100):
        print(f"  {name}")
        rng = np.random.default_rng(seed)
        architecture = checkpoint.get("architecture", "llama")
        config = dict(checkpoint["config"])
        tokenizer = checkpoint["tokenizer"]() if "tokenizer" in checkpoint else None
        if tokenizer:
            config["vocab_size"] = len(tokenizer.tokens)
        path = folder / f"{name}.gguf"
        model = build(config, seed, architecture)
        gguf_file.write(path, model, checkpoint["type_of"], tokenizer, random_k_quants(rng))
        gguf_file.load_weights(path, model)

        cases = reference.random_cases(rng, config["vocab_size"])
        more = dict(greedy=reference.greedy_goldens(model, rng), tensors=reference.sampled_weights(model))
        if tokenizer:
            more["texts"] = tokenizer.goldens()
            more["stop_ids"] = tokenizer.stop_ids
        if tokenizer and tokenizer.chat_template:
            messages = ["Hi.", "  Two\n\nlines, spaces around  ", "<|im_end|> ünï 猫"]
            rendered = [(message, tokenizer.prompt(message)) for message in messages]
            more["prompts"] = [dict(message=m, text=text, ids=tokenizer.encode(text)) for m, text in rendered]
        description = dict(name=name, why=checkpoint["why"], architecture=architecture, checkpoint=f"{name}.gguf")
        reference.write(folder / name, description, model, cases, **more)


assert [gguf.GGML_QUANT_SIZES[kind][1] for kind in (Q.Q4_K, Q.Q5_K, Q.Q6_K)] == [144, 176, 210]
