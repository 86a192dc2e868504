"""Training text as packed rows, and the held-out prompts."""

from random import Random
from typing import Iterator, NamedTuple

import numpy as np
import sentencepiece as spm

from loans import loan
from net import Batch
from reviews import review
from split import Example
from stories import story
from tokenizer import EOS, encode

# Weight in the loss of a prompt's tokens, of a story's tokens and each </s>, and of a task's answer.
PROMPT_WEIGHT, STORY_WEIGHT, ANSWER_WEIGHT = 0.1, 0.5, 30.0
STORY_SHARE, FIRST_STORY_SHARE = 0.16, 0.04
LOAN_SHARE = 0.57  # of the tasks; it is the harder one
POOL = 64
TASKS = (review, loan)


class Text(NamedTuple):
    """One tokenised training text; `weight` and `answer` as in `Batch`."""

    ids: list[int]
    weight: list[float]
    answer: list[int]


class Curriculum:
    """How hard each task's texts are (0..1): a task grows harder while the model gets 86 % of it right.

    Stories are few until both tasks are half way up.
    """

    def __init__(self) -> None:
        self.hard = [0.0, 0.0]
        self.right = [0.0, 0.0]

    def update(self, right: np.ndarray) -> None:
        """Take in one step's share of right answers, a task."""
        for task, share in enumerate(right):
            self.right[task] += 0.1 * (float(share) - self.right[task])
            if self.right[task] > 0.86:
                self.hard[task] = min(1.0, self.hard[task] + 0.006)

    def story_share(self) -> float:
        """Share of stories among the texts."""
        return STORY_SHARE if min(self.hard) >= 0.5 else FIRST_STORY_SHARE


def draw_text(rng: Random, curriculum: Curriculum | None = None) -> tuple[str, str, int]:
    """(prompt, continuation, task or 0 for a story) of one training text, at full hardness without a curriculum."""
    if rng.random() < (curriculum.story_share() if curriculum else STORY_SHARE):
        return *story(rng), 0
    task = int(rng.random() < LOAN_SHARE)
    example = TASKS[task](rng, held_out=False, hard=curriculum.hard[task] if curriculum else 1.0)
    return example.prompt, example.answer, task + 1


def batches(
    tokenizer: spm.SentencePieceProcessor, seed: int, rows: int, length: int, curriculum: Curriculum, seen: set[str]
) -> Iterator[Batch]:
    """Endless fresh batches [rows, length], packed from a pool so that little is padding; prompts go into `seen`."""
    rng = Random(seed)
    pool = [_tokenised(rng, tokenizer, curriculum, seen) for _ in range(POOL)]
    while True:
        batch = Batch(*(np.zeros((rows, length), kind) for kind in (np.int32, np.int32, np.int32, np.float32)))
        for row in range(rows):
            at, segment = 0, 1
            while (pick := _first_that_fits(pool, length - at)) is not None:
                text = pool.pop(pick)
                cells = slice(at, at + len(text.ids))
                batch.tokens[row, cells], batch.segment[row, cells] = text.ids, segment
                batch.answer[row, cells], batch.weight[row, cells] = text.answer, text.weight
                at, segment = at + len(text.ids), segment + 1
                pool.append(_tokenised(rng, tokenizer, curriculum, seen))
        yield batch


def _first_that_fits(pool: list[Text], room: int) -> int | None:
    """Index of the oldest text of at most `room` tokens."""
    return next((i for i, text in enumerate(pool) if len(text.ids) <= room), None)


def _tokenised(rng: Random, tokenizer: spm.SentencePieceProcessor, curriculum: Curriculum, seen: set[str]) -> Text:
    """One text: <s> prompt continuation </s>, cut as a whole."""
    prompt, continuation, task = draw_text(rng, curriculum)
    if task:
        seen.add(prompt)
    head, ids = encode(tokenizer, prompt), encode(tokenizer, prompt + continuation) + [EOS]
    assert ids[: len(head)] == head, f"the cut moves at the prompt's end: {prompt!r}"
    said = len(ids) - len(head) - 1
    weight = [PROMPT_WEIGHT] * len(head) + [ANSWER_WEIGHT if task else STORY_WEIGHT] * said + [STORY_WEIGHT]
    return Text(ids, weight, [0] * len(head) + [task] * said + [0])


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
