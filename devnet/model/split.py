"""The held-out split: which clauses training never sees.

A clause is *reserved* by a checksum of its words, so the split depends on nothing but the text. Training text draws
its opinions and facts from the unreserved ones, held-out text from the reserved ones, so no prompt is on both sides.
"""

import zlib
from random import Random
from typing import Callable, NamedTuple

RESERVED_ONE_IN = 7


class Example(NamedTuple):
    """One task prompt, its answer (with the leading space the model emits) and the pattern it was built from."""

    prompt: str
    answer: str
    pattern: str


def is_reserved(clause: str) -> bool:
    """True for about one clause in RESERVED_ONE_IN, chosen by CRC-32 of its UTF-8 bytes."""
    return zlib.crc32(clause.encode()) % RESERVED_ONE_IN == 0


def draw(make: Callable[[], tuple], held_out: bool) -> tuple:
    """Call `make` until the text of its result (item 0) is on the wanted side of the split."""
    while True:
        result = make()
        if is_reserved(result[0]) == held_out:
            return result


def sentence(text: str) -> str:
    """Upper-case first letter, full stop at the end."""
    return text[0].upper() + text[1:] + "."


def one_of(rng: Random, *options: str) -> str:
    """A uniformly drawn option."""
    return rng.choice(options)
