"""The works, done with torch: each takes the model and the cases, and `run` is what is timed.

Weights are frozen, attention is SDPA, and the head is applied to scored positions only, as someone
who wants torch to be fast would write it. nanoGCG's step is nanoGCG's own code."""

import torch
from nanogcg.gcg import GCG, GCGConfig, sample_ids_from_grad
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

SCORED = 32  # how many last tokens of a sequence count
GRADIENT_SEQUENCES = 8
DECODED_PROMPTS = 8
DECODED_TOKENS = 32


def load(checkpoint, dtype):
    model = AutoModelForCausalLM.from_pretrained(checkpoint, torch_dtype=dtype, attn_implementation="sdpa").eval()
    return model.requires_grad_(False)


def negative_log_likelihoods(model, targets, **inputs):
    """[sequences, SCORED]: of the last tokens of each sequence; softmax in f32 whatever the weights.
    Inputs end before the last token, which predicts nothing that counts."""
    hidden = model.model(use_cache=False, **inputs).last_hidden_state
    logits = model.lm_head(hidden[:, -SCORED:]).float()
    nll = cross_entropy(logits.flatten(0, 1), targets[:, -SCORED:].flatten(), reduction="none")
    return nll.view(len(targets), SCORED)


class Score:
    """Mean CE of every sequence over its last tokens."""

    batch_sizes = (32, 16, 8, 4, 2)

    def __init__(self, model, checkpoint, cases):
        self.model, self.ids = model, torch.tensor(cases["sequences"])

    @torch.inference_mode()
    def run(self, batch_size):
        batches = self.ids.split(batch_size)
        losses = [negative_log_likelihoods(self.model, ids, input_ids=ids[:, :-1]).mean(dim=1) for ids in batches]
        return torch.cat(losses).tolist()


class Gradient:
    """Mean CE over all scored tokens, and the norm of its gradient with respect to the embeddings."""

    batch_sizes = (GRADIENT_SEQUENCES, 4, 2)

    def __init__(self, model, checkpoint, cases):
        self.model, self.ids = model, torch.tensor(cases["sequences"][:GRADIENT_SEQUENCES])

    def run(self, batch_size):
        total, gradients = 0.0, []
        for ids in self.ids.split(batch_size):
            embeds = self.model.get_input_embeddings()(ids[:, :-1]).requires_grad_()
            loss = negative_log_likelihoods(self.model, ids, inputs_embeds=embeds).sum() / (len(self.ids) * SCORED)
            gradients += torch.autograd.grad(loss, embeds)
            total += loss.item()
        return [total, torch.cat(gradients).float().norm().item()]


class GcgStep:
    """What nanoGCG does in one step: gradient at the prefix, drawing candidates, loss of each. The
    candidates that are scored are the given ones. The beginning stays in its prefix cache from step
    to step."""

    batch_sizes = (64, 32, 16, 8)

    def __init__(self, model, checkpoint, cases):
        self.case = cases["gcg"]
        self.gcg = nano_gcg(model, AutoTokenizer.from_pretrained(checkpoint), self.case)
        self.prefix, self.candidates = torch.tensor([self.case["prefix"]]), torch.tensor(self.case["candidates"])

    def run(self, batch_size):
        gradient = self.gcg.compute_token_gradient(self.prefix)
        with torch.no_grad():
            count = len(self.candidates)
            sample_ids_from_grad(self.prefix[0], gradient[0], count, not_allowed_ids=self.gcg.not_allowed_ids)
            embeds = torch.cat(
                [
                    self.gcg.embedding_layer(self.candidates),
                    self.gcg.after_embeds.repeat(count, 1, 1),
                    self.gcg.target_embeds.repeat(count, 1, 1),
                ],
                dim=1,
            )
            losses = self.gcg._compute_candidates_loss_original(batch_size, embeds)
        return [losses.argmin().item(), losses.min().item()]


def nano_gcg(model, tokenizer, case):
    """nanoGCG as its `run` has it when the first step begins."""
    gcg = GCG(model, tokenizer, GCGConfig(use_prefix_cache=True, filter_ids=False, verbosity="ERROR"))
    before, after, target = (torch.tensor([case[name]]) for name in ("before", "after", "target"))
    gcg.target_ids = target
    gcg.before_embeds, gcg.after_embeds, gcg.target_embeds = map(gcg.embedding_layer, (before, after, target))
    with torch.no_grad():
        gcg.prefix_cache = model(inputs_embeds=gcg.before_embeds, use_cache=True).past_key_values
    return gcg


class Decode:
    """Greedy tokens with a KV cache, whatever they are: no token stops it. All prompts at once."""

    batch_sizes = (DECODED_PROMPTS,)

    def __init__(self, model, checkpoint, cases):
        self.model, self.prompts = model, torch.tensor(cases["sequences"][:DECODED_PROMPTS])

    @torch.inference_mode()
    def run(self, batch_size):
        cache, ids, steps = DynamicCache(), self.prompts, []
        for _ in range(DECODED_TOKENS):
            logits = self.model(ids, past_key_values=cache, use_cache=True, num_logits_to_keep=1).logits[:, -1]
            steps.append(logits.float().topk(2))
            ids = steps[-1].indices[:, :1]
        # How far the runner-up is behind tells a near tie from a mistake.
        margins = torch.stack([step.values[:, 0] - step.values[:, 1] for step in steps], dim=1)
        tokens = torch.stack([step.indices[:, 0] for step in steps], dim=1)
        return {"tokens": tokens.flatten().tolist(), "margins": margins.flatten().tolist()}


WORKS = {"score-32x90": Score, "grad-8x90": Gradient, "gcg-step": GcgStep, "decode": Decode}
