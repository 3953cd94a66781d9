"""The transformers classes of each architecture, and random models of them."""

import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaConfig, LlamaForCausalLM

CLASSES = {"llama": (LlamaConfig, LlamaForCausalLM), "gemma2": (Gemma2Config, Gemma2ForCausalLM)}

# What every config.json here says.
COMMON = {
    "llama": dict(
        model_type="llama",
        architectures=["LlamaForCausalLM"],
        hidden_act="silu",
        max_position_embeddings=128,
        attention_bias=False,
        mlp_bias=False,
    ),
    # tie_word_embeddings is left out as published files do: Gemma's default is to tie.
    "gemma2": dict(
        model_type="gemma2",
        architectures=["Gemma2ForCausalLM"],
        hidden_act="gelu_pytorch_tanh",
        hidden_activation="gelu_pytorch_tanh",
        max_position_embeddings=128,
        attention_bias=False,
    ),
}

# What a norm adds to its weight before it multiplies.
NORM_OFFSET = {"llama": 0.0, "gemma2": 1.0}


def build(config, seed, architecture="llama"):
    """A random model. Weights are large enough for attention to be sharp and for every layer, norm
    and rotation to matter; transformers' own initialisation (0.02) would hide mistakes."""
    config = dict(config)
    parameters = config.pop("rope_parameters", None)
    if parameters:
        config["rope_theta"] = parameters["rope_theta"]
        config["rope_scaling"] = {k: v for k, v in parameters.items() if k != "rope_theta"}
    config_class, model_class = CLASSES[architecture]
    torch.manual_seed(seed)
    # Eager attention: the others leave the soft-cap out.
    model = model_class(config_class(**COMMON[architecture], **config, attn_implementation="eager")).eval()
    for name, weight in model.named_parameters():
        weight.requires_grad_(False)
        if "norm" in name:
            weight.copy_(1.0 - NORM_OFFSET[architecture] + 0.2 * torch.randn_like(weight))
        elif "embed_tokens" in name:
            weight.copy_(0.3 * torch.randn_like(weight))
        else:
            weight.copy_(1.5 / weight.shape[1] ** 0.5 * torch.randn_like(weight))
    return model


def is_tied(config, architecture):
    return config.get("tie_word_embeddings", CLASSES[architecture][0]().tie_word_embeddings)
