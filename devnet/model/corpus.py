"""Training text as packed rows, and the held-out prompts."""

from random import Random
from typing import Iterator

import numpy as np
import sentencepiece as spm

from loans import loan
from net import Batch
from reviews import review
from split import Example
from stories import story
from tokenizer import EOS, encode

# Weight of a task's prompt tokens, of a story's tokens, and of a task's answer (two tokens: word and </s>).
PROMPT_WEIGHT, STORY_WEIGHT, ANSWER_WEIGHT = 0.1, 1.0, 8.0
STORY_SHARE, REVIEW_SHARE = 0.2, 0.35
POOL = 64


def draw_text(rng: Random) -> tuple[str, str, bool]:
    """(prompt, continuation, is it a task) of one training text."""
    pick = rng.random()
    if pick < STORY_SHARE:
        return *story(rng), False
    example = review(rng, held_out=False) if pick < STORY_SHARE + REVIEW_SHARE else loan(rng, held_out=False)
    return example.prompt, example.answer, True


def batches(tokenizer: spm.SentencePieceProcessor, seed: int, rows: int, length: int, seen: set[str]) -> Iterator[Batch]:
    """Endless fresh batches [rows, length], packed from a pool so that little is padding; prompts go into `seen`."""
    rng = Random(seed)
    pool = [_tokenised(rng, tokenizer, seen) for _ in range(POOL)]
    while True:
        batch = Batch(*(np.zeros((rows, length), kind) for kind in (np.int32, np.int32, np.float32)))
        for row in range(rows):
            at, segment = 0, 1
            while (pick := _first_that_fits(pool, length - at)) is not None:
                ids, weights = pool.pop(pick)
                cells = slice(at, at + len(ids))
                batch.tokens[row, cells], batch.weight[row, cells], batch.segment[row, cells] = ids, weights, segment
                at, segment = at + len(ids), segment + 1
                pool.append(_tokenised(rng, tokenizer, seen))
        yield batch


def _first_that_fits(pool: list[tuple[list[int], list[float]]], room: int) -> int | None:
    """Index of the oldest text of at most `room` tokens."""
    return next((i for i, (ids, _) in enumerate(pool) if len(ids) <= room), None)


def _tokenised(rng: Random, tokenizer: spm.SentencePieceProcessor, seen: set[str]) -> tuple[list[int], list[float]]:
    """(ids, weights) of one text: <s> prompt continuation </s>, cut as a whole."""
    prompt, continuation, task = draw_text(rng)
    if task:
        seen.add(prompt)
    head, ids = encode(tokenizer, prompt), encode(tokenizer, prompt + continuation) + [EOS]
    assert ids[: len(head)] == head, f"the cut moves at the prompt's end: {prompt!r}"
    prompt_weight, rest = (PROMPT_WEIGHT, ANSWER_WEIGHT) if task else (PROMPT_WEIGHT, STORY_WEIGHT)
    return ids, [prompt_weight] * len(head) + [rest] * (len(ids) - len(head))


def held_out(seed: int, count: int) -> dict[str, list[Example]]:
    """`count` distinct prompts a task, balanced over its answers, all from the reserved side of the split."""
    rng = Random(seed)
    reviews = _distinct(lambda i: review(rng, held_out=True, wanted=i % 2 == 0), count)
    loans = _distinct(lambda i: loan(rng, held_out=True, wanted=i % 3), count)
    return {"review": reviews, "loan": loans}


def _distinct(make, count: int) -> list[Example]:
    examples: dict[str, Example] = {}
    while len(examples) < count:
        example = make(len(examples))
        examples.setdefault(example.prompt, example)
    return list(examples.values())


def story_prompts(seed: int, count: int) -> list[str]:
    """Distinct story prompts."""
    rng, prompts = Random(seed), {"Story: Once upon a time": None}
    while len(prompts) < count:
        prompts.setdefault(story(rng)[0])
    return list(prompts)
