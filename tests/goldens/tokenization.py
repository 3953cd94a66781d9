"""Byte-level BPE twice: transformers' fast tokenizer, and its slow one in pure Python.

Token ids are expected only where both agree, so that no golden repeats a mistake of one."""

import json
import tempfile
from pathlib import Path

import regex
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Tokenizer, PreTrainedTokenizerFast

CONTROL, USER_DEFINED, NORMAL = 3, 4, 1

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# By llama.cpp's names: what fast cuts text with, and what the slow one finds its pieces with.
PRE_TOKENIZERS = {
    "gpt-2": (lambda: pre_tokenizers.ByteLevel(add_prefix_space=False), [None]),
    "smollm": (
        lambda: pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        ),
        [r"\p{N}|[^\p{N}]+", None],
    ),
    "llama-bpe": (
        lambda: pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(LLAMA3_PATTERN), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        ),
        [LLAMA3_PATTERN],
    ),
}


class SlowTokenizer(GPT2Tokenizer):
    """GPT-2's, with a choice of how text is cut before merges apply."""

    def cut_with(self, name):
        self.cuts = [self.pat if cut is None else regex.compile(cut) for cut in PRE_TOKENIZERS[name][1]]
        return self

    def _tokenize(self, text):
        pieces = [text]
        for cut in self.cuts:
            pieces = [piece for whole in pieces for piece in cut.findall(whole)]
        spelled = ("".join(self.byte_encoder[byte] for byte in piece.encode()) for piece in pieces)
        return [token for piece in spelled for token in self.bpe(piece).split(" ")]


class Tokenizers:
    """Both, from what a GGUF file holds."""

    def __init__(self, tokens, types, merges, pre, bos_id, eos_id, chat_template=None):
        self.tokens, self.types, self.merges, self.pre = tokens, types, merges, pre
        self.bos_id, self.eos_id, self.chat_template = bos_id, eos_id, chat_template
        self.stop_ids = [eos_id]
        vocab = {token: id for id, token in enumerate(tokens)}
        added = [
            AddedToken(token, normalized=False, special=kind == CONTROL)
            for token, kind in zip(tokens, types)
            if kind in (CONTROL, USER_DEFINED)
        ]
        pairs = [tuple(merge.split(" ")) for merge in merges]
        fast = Tokenizer(models.BPE(vocab=vocab, merges=pairs, fuse_unk=False))
        fast.pre_tokenizer = PRE_TOKENIZERS[pre][0]()
        fast.decoder = decoders.ByteLevel()
        fast.add_tokens(added)
        self.fast = PreTrainedTokenizerFast(
            tokenizer_object=fast, bos_token=tokens[bos_id], eos_token=tokens[eos_id], chat_template=chat_template,
            clean_up_tokenization_spaces=False,
        )
        with tempfile.TemporaryDirectory() as folder:
            vocab_file, merges_file = Path(folder) / "vocab.json", Path(folder) / "merges.txt"
            vocab_file.write_text(json.dumps(vocab))
            merges_file.write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
            # Its default special token must be one that is there, or it would be added.
            unknown = tokens[types.index(CONTROL)]
            self.slow = SlowTokenizer(
                vocab_file, merges_file, unk_token=unknown, bos_token=tokens[bos_id], eos_token=tokens[eos_id]
            ).cut_with(pre)
        self.slow.add_tokens(added)
        assert len(self.slow) == len(self.fast) == len(tokens)

    def write(self, writer):
        """Into a GGUF file."""
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        writer.add_token_merges(self.merges)
        writer.add_bos_token_id(self.bos_id)
        writer.add_eos_token_id(self.eos_id)
        writer.add_add_bos_token(False)

    def encode(self, text):
        ids = self.fast(text, add_special_tokens=False)["input_ids"]
        slow = self.slow(text, add_special_tokens=False)["input_ids"]
        assert ids == slow, f"{text!r}: fast {ids}, slow {slow}"
        return ids

    def prompt(self, message):
        """The chat with one message of the user, up to where the answer begins."""
        messages = [{"role": "user", "content": message}]
        return self.fast.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def goldens(self):
        return [{"text": text, "ids": self.encode(text)} for text in TEXTS + self.special_texts()]

    def special_texts(self):
        """Control tokens where a user may put them."""
        special = [token for token, kind in zip(self.tokens, self.types) if kind in (CONTROL, USER_DEFINED)]
        first, last = special[0], special[-1]
        return [first, f" {first} ", f"a{first}b{last}c", f"{first}{first}\n{last}", first[:-1], f"x{last[1:]}", *special]


CORPUS = """Talk only about cats. The cat sat on the mat, and the other cats were not there.
There are 12 cats in the house; 3 of them sleep all day. What do the others do? They hunt mice.
"Let's go," said the cat. We don't know where they're going, but I'll follow. It isn't far.
for i in range(10):\n    print(i)\n\treturn the_value
Die Katze schläft über dem Ofen. Le chat où ça? Кошка спит на окне. 猫が好きです。
"""


def tiny(pre, chat_template):
    """A vocabulary of 300: four special tokens, every byte, and 40 merges learnt from CORPUS."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre][0]()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([CORPUS], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    assert len(tokens) == 300 and len(model["merges"]) == 40
    types = [CONTROL] * 3 + [USER_DEFINED] + [NORMAL] * 296
    return Tokenizers(tokens, types, [" ".join(pair) for pair in model["merges"]], pre, 1, 2, chat_template)


TEXTS = [
    "",
    " ",
    "\n",
    "a",
    "Talk only about cats.",
    "Talk only about cats.\nWrite a poem about the sea.",
    "the cat, the cats; THE CATS!",
    "  two spaces before and after  ",
    "a  b   c    d",
    "line\n\nline\n\n\nline\n",
    "tab\tand\t\ttabs \t mixed\r\nwindows\r\n",
    " \n \n ",
    "trailing space \n",
    "1234567890",
    "3.14159 and 2,718,281 and 1e-9",
    "year2024month12",
    "१२३ ٤٥٦ Ⅷ ½ ² ①",
    "don't, it's, we'll, they'd, I'm, you're, I've",
    "DON'T IT'S WE'LL",
    "’tis the ‘season’ — “really” – yes…",
    "def f(x: int) -> int:\n    return x**2 + 1  # square\n",
    'if (a[i] != NULL && *p++ == \'\\0\') { printf("%d\\n", i); }',
    "SELECT * FROM t WHERE a<>b AND c LIKE '%x%';",
    "<html><body class=\"x\">&nbsp;</body></html>",
    "https://example.com/a/b?c=d&e=%20f#g",
    "snake_case camelCase kebab-case SCREAMING_CASE",
    "übergrößenträger façade naïve Ångström",
    "u\u0308bergro\u0308ße e\u0301 n\u0303",
    "Кошка спит на окне.",
    "猫が好きです。東京タワー",
    "고양이는 귀엽다",
    "القط نائم على السرير",
    "חתול ישן",
    "แมวนอนหลับ",
    "बिल्ली सो रही है",
    "🐱",
    "cats 🐈‍⬛ and dogs 🐕‍🦺 and 👩‍👩‍👧‍👦 flags 🇩🇪🇯🇵",
    "😀😃😄 text😁text",
    "zero\u200bwidth\u200djoin\ufeffbom",
    "no\u00a0break\u2003em\u3000ideographic",
    "\u202eright to left\u202c",
    "control \x00\x01\x1b[31m\x7f",
    "math ∑∫√∞ ≠ ≤ ⊂ 𝔸𝕓𝒸",
    "a̶̛̖̗b̴̡̺c",
    "\U0010ffff\ue000\ufffd",
    "!!!???...---___===+++",
    "(((nested [brackets {here}])))",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    " a" * 20,
    "\t" * 9 + "x",
    " " * 33 + "x",
    "user\nassistant\nsystem",
    "|im_start|> <|im_start <|im_end| >",
]
