"""What is compared with what, which bound it has, whether both sides agree, and how that is printed."""

from dataclasses import dataclass
from statistics import median

# Largest differences at which results count as equal.
LOSS_TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 1e-3  # of the norm
BF16_LOSS_TOLERANCE = 0.1
BF16_GRADIENT_TOLERANCE = 0.1
# A greedy token may differ where the runner-up is no further behind than this (logits).
NEAR_TIE = 0.005
DECODED_TOKENS = 32

MEBIBYTE = 1 << 20


@dataclass
class Group:
    """Works whose repeats are interleaved: they are compared with each other."""

    name: str  # of the work on the torch side
    ours: list
    torch: list  # dtypes


@dataclass
class Comparison:
    """`ours` against torch in a dtype; `at_least`: how many times as fast it shall be."""

    ours: str
    group: str
    dtype: str
    at_least: float | None = None


GROUPS = [
    Group("score-32x90", ["score-32x90-f32", "score-32x90-bf16"], ["f32", "bf16"]),
    Group("grad-8x90", ["grad-8x90-f32", "grad-8x90-bf16"], ["f32", "bf16"]),
    Group("gcg-step", ["gcg-step", "gcg-step-pruned", "gcg-step-bf16"], ["f32", "bf16"]),
    Group("decode", ["decode"], ["f32", "bf16"]),
    # Held against the machine, not against torch.
    Group("gemm-layers", ["gemm-layers-f32", "gemm-layers-bf16"], []),
]
COMPARISONS = [
    Comparison("score-32x90-f32", "score-32x90", "f32", 1.25),
    Comparison("score-32x90-bf16", "score-32x90", "f32", 2.2),
    Comparison("score-32x90-bf16", "score-32x90", "bf16", 2.2),
    Comparison("grad-8x90-f32", "grad-8x90", "f32", 1.1),
    Comparison("grad-8x90-bf16", "grad-8x90", "f32", 2.0),
    Comparison("grad-8x90-bf16", "grad-8x90", "bf16"),
    Comparison("gcg-step", "gcg-step", "f32", 2.5),
    Comparison("gcg-step-pruned", "gcg-step", "f32", 4.0),
    Comparison("gcg-step", "gcg-step", "bf16"),
    Comparison("gcg-step-bf16", "gcg-step", "f32"),
    Comparison("gcg-step-bf16", "gcg-step", "bf16"),
    Comparison("decode", "decode", "f32"),
    Comparison("decode", "decode", "bf16"),
]
# How many times as much memory torch shall need.
MEMORY_BOUNDS = {"grad-8x90-f32": 2.0}
# Share of the GEMM peak.
PEAK_BOUNDS = {"gemm-layers-f32": 0.80, "gemm-layers-bf16": 0.80}
FIRST_TOKEN_BOUND_SECONDS = 2.0


def torch_name(group, dtype):
    """Of a torch side among the runs."""
    return f"torch {group} {dtype}"


def summary(runs, first_token_seconds):
    """`runs`: by side, `{"facts", "repeats"}`. What the table and the JSON file say."""
    comparisons = [compare(comparison, runs) for comparison in COMPARISONS if comparison.ours in runs]
    return {
        "comparisons": comparisons,
        "memory": [
            compare_memory(group, ours, runs) for group in GROUPS for ours in group.ours if group.torch and ours in runs
        ],
        "gemm_peak_share": [peak_share(ours, runs) for group in GROUPS for ours in group.ours if ours in runs],
        "load_to_first_token": {
            "seconds": first_token_seconds,
            "median_seconds": median(first_token_seconds),
            "at_most": FIRST_TOKEN_BOUND_SECONDS,
        },
        "all_agree": all(comparison["agrees"] for comparison in comparisons),
    }


def compare(comparison, runs):
    ours, theirs = runs[comparison.ours], runs[torch_name(comparison.group, comparison.dtype)]
    # Results are held against torch in f32, whatever the times are held against.
    exact = runs[torch_name(comparison.group, "f32")]
    agrees, how = agreement(comparison.group, comparison.ours, last_result(ours), last_result(exact))
    ours_seconds, their_seconds = median_seconds(ours), median_seconds(theirs)
    return {
        "work": comparison.ours,
        "against": against(comparison.group, comparison.dtype),
        "seconds": ours_seconds,
        "against_seconds": their_seconds,
        "ratio": their_seconds / ours_seconds,
        "at_least": comparison.at_least,
        "agrees": agrees,
        "difference": how,
    }


def against(group, dtype):
    return f"{'nanoGCG' if group == 'gcg-step' else 'torch'} {dtype}"


def agreement(group, work, ours, exact):
    """Whether two results are the same, and how far they differ."""
    in_bf16 = work.endswith("bf16")
    loss_tolerance = BF16_LOSS_TOLERANCE if in_bf16 else LOSS_TOLERANCE
    if wrong_length := length_difference(group, ours, exact):
        return False, wrong_length
    if group == "score-32x90":
        loss = max(abs(a - b) for a, b in zip(ours, exact))
        return loss <= loss_tolerance, f"loss {loss:.1e}"
    if group == "grad-8x90":
        loss, norm = abs(ours[0] - exact[0]), abs(ours[1] / exact[1] - 1)
        norm_tolerance = BF16_GRADIENT_TOLERANCE if in_bf16 else GRADIENT_TOLERANCE
        agrees = loss <= loss_tolerance and norm <= norm_tolerance
        return agrees, f"loss {loss:.1e}, gradient norm {norm:.1e} (relative)"
    if group == "gcg-step":
        (candidate, loss), (exact_candidate, exact_loss) = ours, exact
        if candidate != exact_candidate:
            return False, f"candidate {candidate:.0f}, not {exact_candidate}"
        return abs(loss - exact_loss) <= loss_tolerance, f"same candidate, loss {abs(loss - exact_loss):.1e}"
    return same_tokens(ours, exact)


def length_difference(group, ours, exact):
    expected = len(exact["tokens"] if group == "decode" else exact)
    return None if len(ours) == expected else f"{len(ours)} results, not {expected}"


def same_tokens(ours, exact):
    """A prompt's tokens after its first difference say nothing: the texts have parted."""
    tokens, margins = exact["tokens"], exact["margins"]
    parted = []
    for start in range(0, len(tokens), DECODED_TOKENS):
        prompt = range(start, start + DECODED_TOKENS)
        parted += [margins[i] for i in prompt if ours[i] != tokens[i]][:1]
    if not parted:
        return True, "same tokens"
    return max(parted) <= NEAR_TIE, f"{len(parted)} prompts part, where the runner-up is up to {max(parted):.1e} behind"


def compare_memory(group, ours, runs):
    """Against torch in the same dtype; what runs in f32 says nothing of it in its name. What torch's
    libraries take is no work of its, and differs between builds: it does not count in the ratio that
    has a bound."""
    dtype = "bf16" if ours.endswith("bf16") else "f32"
    theirs = runs[torch_name(group.name, dtype)]
    peak, their_peak = peak_memory(runs[ours]), peak_memory(theirs)
    libraries = theirs["facts"]["libraries_memory_bytes"]
    return {
        "work": ours,
        "against": against(group.name, dtype),
        "peak_memory_bytes": peak,
        "against_peak_memory_bytes": their_peak,
        "against_libraries_memory_bytes": libraries,
        "whole_ratio": their_peak / peak,
        "ratio": (their_peak - libraries) / peak,
        "at_least": MEMORY_BOUNDS.get(ours),
    }


def peak_share(work, runs):
    shares = [repeat["peak_fraction"] for repeat in runs[work]["repeats"]]
    return {"work": work, "median": median(shares), "at_least": PEAK_BOUNDS.get(work)}


def median_seconds(run):
    return median(repeat["seconds"] for repeat in run["repeats"])


def peak_memory(run):
    return max(repeat["peak_memory_bytes"] for repeat in run["repeats"])


def last_result(run):
    return run["repeats"][-1]["result"]


def table(summary):
    """Markdown, which a terminal shows well enough."""
    times = [["work", "against", "seconds", "its seconds", "times as fast", "at least", "", "results"]]
    for row in summary["comparisons"]:
        seconds = [f"{row['seconds']:.3f}", f"{row['against_seconds']:.3f}", f"{row['ratio']:.2f}"]
        results = row["difference"] if row["agrees"] else f"DIFFER: {row['difference']}"
        times.append([row["work"], row["against"], *seconds, *bound(row["ratio"], row["at_least"]), results])
    memory = [["work", "against", "MiB", "its MiB", "times as much", "its libraries", "without", "at least", ""]]
    for row in summary["memory"]:
        kinds = ["peak_memory_bytes", "against_peak_memory_bytes", "against_libraries_memory_bytes"]
        peak, their_peak, libraries = (f"{row[kind] / MEBIBYTE:.0f}" for kind in kinds)
        ratios = [f"{row['whole_ratio']:.2f}", libraries, f"{row['ratio']:.2f}"]
        memory.append([row["work"], row["against"], peak, their_peak, *ratios, *bound(row["ratio"], row["at_least"])])
    others = [["measure", "value", "bound", ""]]
    for row in summary["gemm_peak_share"]:
        share = bound(row["median"], row["at_least"])
        others.append([f"share of the GEMM peak, {row['work']}", f"{row['median']:.2f}", *share])
    first = summary["load_to_first_token"]
    seconds, at_most = first["median_seconds"], first["at_most"]
    name = "process start to the first token's score, seconds"
    others.append([name, f"{seconds:.2f}", f"< {at_most:g}", verdict(seconds < at_most)])
    return "\n\n".join(map(markdown, [times, memory, others]))


def bound(value, at_least):
    return ["–", ""] if at_least is None else [f"{at_least:g}", verdict(value >= at_least)]


def verdict(met):
    return "met" if met else "MISSED"


def markdown(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)
