"""The vocabulary: SentencePiece BPE with byte fallback, trained on the generated text, in the form llama.cpp expects.

Nothing is normalised. llama.cpp merges by score, and sentencepiece's BPE scores are minus the merge's rank, so both
cut text alike. A newline has no piece of its own: it is the byte token <0x0A>.
"""

import io
import math
from collections import Counter
from pathlib import Path
from typing import Iterable

import sentencepiece as spm
from gguf import TokenType

VOCAB = 1024
BOS, EOS = 1, 2


def train_tokenizer(texts: Iterable[str], path: Path) -> spm.SentencePieceProcessor:
    """Train on the words of `texts`, write the model to `path`, return it loaded."""
    lines = _damped(texts)
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, model_type="bpe", vocab_size=VOCAB, byte_fallback=True,
        character_coverage=1.0, normalization_rule_name="identity", add_dummy_prefix=True, remove_extra_whitespaces=False,
        unk_id=0, bos_id=BOS, eos_id=EOS, pad_id=-1, num_threads=1, max_sentence_length=1 << 14, minloglevel=2,
    )
    path.write_bytes(model.getvalue())
    return spm.SentencePieceProcessor(model_proto=model.getvalue())


def _damped(texts: Iterable[str]) -> list[str]:
    """Each word of `texts` as a line of its own, as often as the square root of its count.

    Without that, the merges of frequent sentences leave none for the many adjectives that decide an answer. A word
    that starts a line of text keeps its leading space, since sentencepiece puts one before the first word of a line.
    """
    counts = Counter(word for text in texts for word in text.split())
    return [word for word, n in counts.items() for _ in range(math.isqrt(n) + 1)]


def encode(tokenizer: spm.SentencePieceProcessor, text: str) -> list[int]:
    """Ids of `text` with <s> before it, as llama.cpp gives them with add_bos_token."""
    return [BOS] + tokenizer.encode(text)


def pieces(tokenizer: spm.SentencePieceProcessor) -> tuple[list[bytes], list[float], list[int]]:
    """(text, score, type) of each id, for tokenizer.ggml.tokens, .scores and .token_type."""
    ids = range(tokenizer.vocab_size())
    kinds = [_kind(tokenizer, i) for i in ids]
    return [tokenizer.id_to_piece(i).encode() for i in ids], [tokenizer.get_score(i) for i in ids], kinds


def _kind(tokenizer: spm.SentencePieceProcessor, i: int) -> int:
    if tokenizer.is_unknown(i):
        return TokenType.UNKNOWN
    if tokenizer.is_control(i):
        return TokenType.CONTROL
    return TokenType.BYTE if tokenizer.is_byte(i) else TokenType.NORMAL
