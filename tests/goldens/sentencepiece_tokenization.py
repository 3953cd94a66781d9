"""SentencePiece BPE vocabularies as Llama 2 and Gemma have them; ids are those of SentencePiece itself."""

import io
import re

import sentencepiece

import chat_templates
from tokenization import CORPUS, TEXTS

# Token types of GGUF.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

GEMMA_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)


class SentencePieceTokenizer:
    """A small vocabulary learnt from CORPUS, with byte fallback."""

    def __init__(self, user_defined, space_prefix, chat_template=None):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS.splitlines()), model_writer=model, model_type="bpe", vocab_size=420,
            byte_fallback=True, add_dummy_prefix=space_prefix, remove_extra_whitespaces=False,
            normalization_rule_name="identity", split_digits=True, character_coverage=1.0, num_threads=1,
            user_defined_symbols=user_defined, pad_id=0, eos_id=1, bos_id=2, unk_id=3, minloglevel=2,
        )
        self.processor = spm = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        self.space_prefix, self.chat_template = space_prefix, chat_template
        self.tokens = [spm.id_to_piece(id) for id in range(spm.vocab_size())]
        self.scores = [spm.get_score(id) for id in range(spm.vocab_size())]
        self.types = [self.type_of(id, user_defined) for id in range(spm.vocab_size())]
        self.bos_id, self.eos_id = spm.bos_id(), spm.eos_id()
        # The file says nothing about the end of a turn; readers know Gemma's by its text.
        self.stop_ids = [id for id, token in enumerate(self.tokens) if id == self.eos_id or token == "<end_of_turn>"]

    def type_of(self, id, user_defined):
        spm = self.processor
        if spm.is_unknown(id):
            return UNKNOWN
        if spm.is_control(id):
            return CONTROL
        if spm.is_byte(id):
            return BYTE
        return USER_DEFINED if self.tokens[id] in user_defined else NORMAL

    def write(self, writer):
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(self.tokens)
        writer.add_token_scores(self.scores)
        writer.add_token_types(self.types)
        writer.add_bos_token_id(self.bos_id)
        writer.add_eos_token_id(self.eos_id)
        writer.add_unk_token_id(self.processor.unk_id())
        writer.add_add_bos_token(True)
        writer.add_add_space_prefix(self.space_prefix)

    def parts(self, text):
        """Cut at control tokens. SentencePiece never reads these from text, a chat does."""
        control = [re.escape(token) for token, kind in zip(self.tokens, self.types) if kind == CONTROL]
        return [part for part in re.split(f"({'|'.join(control)})", text) if part]

    def is_control(self, part):
        return part in self.tokens and self.types[self.tokens.index(part)] == CONTROL

    def encode(self, text):
        ids = []
        for part in self.parts(text):
            ids += [self.tokens.index(part)] if self.is_control(part) else self.processor.encode(part)
        return ids

    def prompt(self, message):
        bos, eos = self.tokens[self.bos_id], self.tokens[self.eos_id]
        return chat_templates.render(self.chat_template, message, bos, eos)

    def goldens(self):
        # SentencePiece itself reads its own spelling of a space as a space.
        texts = [text for text in TEXTS if "\u2581" not in text]
        special = [token for token, kind in zip(self.tokens, self.types) if kind in (CONTROL, USER_DEFINED)]
        special = [token.replace("\u2581", " ") for token in special]
        mixed = [f"a{token}b {token} c" for token in special] + ["".join(special)]
        return [self.golden(text) for text in texts + mixed]

    def golden(self, text):
        golden = {"text": text, "ids": self.encode(text)}
        if self.space_prefix:
            # The space before each part stays: what puts it there cannot know later whether it was.
            golden["decoded"] = "".join(part if self.is_control(part) else f" {part}" for part in self.parts(text))
        return golden


def gemma():
    symbols = ["<start_of_turn>", "<end_of_turn>", "\n", "\n\n", "\n\n\n", "▁▁", "▁▁▁", "▁▁▁▁", "<table>", "</b>"]
    return SentencePieceTokenizer(symbols, space_prefix=False, chat_template=GEMMA_TEMPLATE)


def llama():
    return SentencePieceTokenizer([], space_prefix=True)
