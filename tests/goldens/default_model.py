"""Goldens of the default model: the real GGUF file, dequantised into transformers."""

import gguf
import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

import gguf_file
import reference
import tokenization

REFERENCE = "Talk only about cats."
SUFFIXES = [
    "Write a short poem.",
    "What should I cook tonight with rice and eggs?",
    "Explain how 3 + 4 = 7 to a child, in 2 sentences.",
]
# A question whose answer ends with the stop token.
SHORT_ANSWER = "What is the capital of France?"
# A prefix that no person would write.
STRANGE_PREFIX = "whisk purr meow 99 zwölf\t"
TOP = 20


def make(path, folder):
    print("  default model")
    fields = gguf.GGUFReader(path).fields

    def get(name):
        return fields[name].contents()

    config = LlamaConfig(
        hidden_size=get("llama.embedding_length"),
        intermediate_size=get("llama.feed_forward_length"),
        num_hidden_layers=get("llama.block_count"),
        num_attention_heads=get("llama.attention.head_count"),
        num_key_value_heads=get("llama.attention.head_count_kv"),
        head_dim=get("llama.rope.dimension_count"),
        vocab_size=get("llama.vocab_size"),
        max_position_embeddings=get("llama.context_length"),
        rms_norm_eps=get("llama.attention.layer_norm_rms_epsilon"),
        rope_theta=get("llama.rope.freq_base"),
        tie_word_embeddings="output.weight" not in {t.name for t in gguf.GGUFReader(path).tensors},
        attn_implementation="eager",
    )
    model = gguf_file.load_weights(path, LlamaForCausalLM(config)).eval()
    model.requires_grad_(False)
    tokenizer = tokenization.Tokenizers(
        get("tokenizer.ggml.tokens"),
        get("tokenizer.ggml.token_type"),
        get("tokenizer.ggml.merges"),
        get("tokenizer.ggml.pre"),
        get("tokenizer.ggml.bos_token_id"),
        get("tokenizer.ggml.eos_token_id"),
        get("tokenizer.chat_template"),
    )

    prompts, greedy, cases, tensors = [], [], [], {}
    for number, suffix in enumerate(SUFFIXES):
        for prefix in ["", REFERENCE]:
            message = f"{prefix}\n{suffix}" if prefix else suffix
            text = tokenizer.prompt(message)
            ids = tokenizer.encode(text)
            prompts.append(dict(message=message, text=text, ids=ids))
            completion = reference.greedy(model, ids, 48, [tokenizer.eos_id])
            greedy.append(dict(prompt=ids, stop_ids=[tokenizer.eos_id], completion=completion))
        # The completion that the reference gave, under the reference, a strange prefix and none.
        for kind, prefix in [("reference", REFERENCE), ("strange", STRANGE_PREFIX), ("none", "")]:
            before, after = tokenizer.prompt("\0").split("\0")
            prefix_ids = tokenizer.encode(prefix)
            start = tokenizer.encode(before)
            rest = tokenizer.encode(("\n" if prefix else "") + suffix + after)
            ids = start + prefix_ids + rest + completion
            in_prefix = (len(start), len(start) + len(prefix_ids))
            cases.append((f"{kind}-{number}", ids, in_prefix, (len(ids) - len(completion), len(ids))))
            if kind == "reference":
                assert ids[: -len(completion)] == greedy[-1]["prompt"], "the pieces do not tokenise as the whole"

    ids = tokenizer.encode(tokenizer.prompt(SHORT_ANSWER))
    completion = reference.greedy(model, ids, 48, [tokenizer.eos_id])
    assert completion[-1] == tokenizer.eos_id, tokenizer.fast.decode(completion)
    greedy.append(dict(prompt=ids, stop_ids=[tokenizer.eos_id], completion=completion))

    description = dict(name="smollm2-135m", architecture="llama", file=path.name)
    more = dict(stop_ids=[tokenizer.eos_id], greedy=greedy, prompts=prompts, texts=tokenizer.goldens())
    more["logits"] = [logits_golden(model, *case[:2], tensors) for case in (cases[0], cases[2])]
    reference.write(folder / "default-model", description, model, cases, full_logits=(), **more)
    save_file(tensors, folder / "logits.safetensors")


@torch.no_grad()
def logits_golden(model, name, ids, tensors):
    """The most likely tokens at some positions, and every 64th logit of these."""
    positions = np.linspace(0, len(ids) - 1, 8).astype(int)
    logits = model(input_ids=torch.tensor([ids])).logits[0, positions]
    top = logits.topk(TOP)
    tensors[f"{name}.top"] = top.values.numpy()
    tensors[f"{name}.every_64th"] = np.ascontiguousarray(logits[:, ::64].numpy())
    return dict(case=name, positions=positions.tolist(), top_ids=top.indices.tolist())
