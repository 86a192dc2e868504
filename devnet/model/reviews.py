"""Task A: a product review, answered ` positive` or ` negative`.

The rule the model has to find: the *last main* opinion decides. A clause after `but`, `yet`, `still` or `in the end`
overrules what stands before it; a clause after `although`, `even though` or `despite` never decides, wherever it
stands; what others said or the writer had expected does not count; `not`, `hardly`, `far from`... turn an opinion round.
"""

import re
from random import Random

from split import Example, draw, one_of, sentence

PRODUCTS = {
    "kettle": ["lid", "handle", "spout", "base", "cord"],
    "lamp": ["light", "switch", "stand", "shade", "cord"],
    "chair": ["seat", "back", "frame", "cushion", "fabric"],
    "jacket": ["zip", "fabric", "lining", "fit", "pocket"],
    "phone": ["screen", "battery", "camera", "sound", "case"],
    "radio": ["sound", "speaker", "battery", "button", "display"],
    "backpack": ["strap", "zip", "pocket", "fabric", "size"],
    "blender": ["motor", "blade", "lid", "jug", "button"],
    "book": ["story", "cover", "ending", "print", "paper"],
    "tent": ["frame", "floor", "zip", "fabric", "size"],
    "bike": ["seat", "frame", "bell", "chain", "brake"],
    "knife": ["blade", "handle", "grip", "edge", "case"],
}
GOOD = (
    "good great excellent wonderful lovely perfect superb fantastic amazing brilliant sturdy solid reliable strong "
    "comfortable pleasant nice beautiful impressive useful smooth neat handy delightful charming"
).split()
BAD = (
    "bad terrible awful horrible poor dreadful useless ugly disappointing flimsy weak unreliable broken faulty "
    "uncomfortable unpleasant cheap annoying clumsy shoddy rough messy miserable nasty dismal"
).split()

# Frames around one adjective {a} and one part {n}; a flipping frame turns the adjective's sentiment round.
PLAIN_FRAMES = [
    "the {n} is {a}", "the {n} is {a}", "the {n} was {v} {a}", "the {n} is {v} {a}", "the {n} looks {a}",
    "the {n} feels {v} {a}", "the {n} seems {a}", "I find the {n} {a}", "the {n} turned out to be {a}",
    "the {p} is {a}", "the {p} was {v} {a}", "the {n} has always been {a}", "I think the {n} is {a}", "the whole {p} is {a}",
    "this {p} is {a}", "it is a {v} {a} {p}", "it is {v} {a}", "this is a {a} {p}",
]
FRAGMENTS = ["what a {a} {p}", "a {v} {a} {p}", "{v} {a}"]  # only where they stand alone
FLIP_FRAMES = [
    "the {n} is not {a}", "the {n} is not {a} at all", "the {n} is hardly {a}", "the {n} is far from {a}",
    "the {n} is anything but {a}", "the {n} was never {a}", "nobody could call the {n} {a}", "the {n} does not feel {a}",
    "I do not find the {n} {a}", "this {p} is not {a}", "it is not {a}", "the {n} isn't {a}", "the {n} wasn't {v} {a}",
]
ADVERBS = ["very", "really", "rather", "quite", "truly", "so"]
GOOD_VERDICTS = [
    "I love it", "I like it a lot", "I would buy it again", "I am happy with it", "I recommend it",
    "it works very well", "it was worth every penny", "it never let me down", "it has not broken once",
    "I do not regret buying it", "I have no complaints", "I use it every day with joy", "it does its job well",
    "my whole family loves it", "I would not give it away", "it works perfectly",
]
BAD_VERDICTS = [
    "I hate it", "I do not like it", "I would not buy it again", "I am unhappy with it", "I cannot recommend it",
    "it does not work", "it was a waste of money", "it let me down", "it broke after a week", "I regret buying it",
    "I want my money back", "I sent it back", "it stopped working", "nobody in my family likes it",
    "I would gladly give it away", "it fell apart",
]

# D decides, X never does, S agrees with D.
PATTERNS = {
    "single": ["{D}."],
    "agree": ["{S} and {D}.", "{S}. {D}.", "{D}, and {S}."],
    "but": ["{X}, but {D}.", "{X}, yet {D}.", "{X}. But {D}."],
    "although_first": ["although {X}, {D}.", "even though {X}, {D}.", "while {X}, {D}."],
    "although_last": ["{D}, although {X}.", "{D}, even though {X}."],
    "in_the_end": ["{X}. In the end, {D}.", "{X}. Still, {D}.", "{X}. However, {D}.", "{X}. Overall, {D}."],
    "two_then_but": ["{X} and {Y}, but {D}.", "{X}. {Y}. In the end, {D}.", "{X}. {Y}, yet {D}."],
    "expected": ["I had expected that {X}, but {D}.", "my {r} had said that {X}, but {D}.", "people say that {X}. To me, {D}."],
    "both": ["although {X}, {D}, and {S}.", "{X}, but {S}. Overall, {D}.", "{S}, although {X}. In short, {D}."],
}
OPENERS = [
    "I bought this {p} {t}.", "I got the {p} {t}.", "My {r} gave me this {p} {t}.", "I ordered the {p} for my {r}.",
    "I have had this {p} since {m}.", "We use this {p} at {w}.",
]
TRAILERS = [
    "It came in a {c} box.", "Mine is {c}.", "I bought it {t}.", "The box was {c}.", "We use it at {w}.", "It is {c}.",
]
EASY_PATTERN = "single"
SLOTS = {
    "t": ["last week", "last month", "a year ago", "in May", "in June", "two weeks ago", "yesterday", "in spring"],
    "r": ["sister", "brother", "mother", "father", "friend", "uncle", "aunt", "neighbour"],
    "m": ["May", "June", "March", "spring", "autumn", "winter"],
    "w": ["home", "work", "school", "the office"],
    "c": ["blue", "red", "green", "white", "black", "grey", "brown"],
}


def review(rng: Random, held_out: bool, wanted: bool | None = None, hard: float = 1.0) -> Example:
    """One review; `wanted` fixes the sentiment (True = positive), so that answers are balanced.

    `hard` < 1 makes lone opinions likelier and asides rarer: what one clause says has to be learned before which
    clause decides, and many short reviews teach it soonest.
    """
    positive = rng.random() < 0.5 if wanted is None else wanted
    pattern = rng.choice(list(PATTERNS) if rng.random() < hard else [EASY_PATTERN])
    product = rng.choice(list(PRODUCTS))
    parts = rng.sample(PRODUCTS[product], 4)
    clash = rng.random() < 0.85
    feelings = [positive, positive, positive != clash, positive != clash]
    clauses: list[str] = []
    for part, feeling in zip(parts, feelings):
        clauses.append(_opinion(rng, product, part, feeling, pattern, held_out, clauses))
    words = dict(zip("DSXY", clauses), r=rng.choice(SLOTS["r"]))
    body = _capitalised(rng.choice(PATTERNS[pattern]).format(**words))
    if rng.random() < 0.15:
        body = body[:-1] + "!"
    text = " ".join(filter(None, [_aside(rng, OPENERS, product, hard), body, _aside(rng, TRAILERS, product, hard)]))
    return Example(f"Review: {text}\nSentiment:", " positive" if positive else " negative", pattern)


def _opinion(
    rng: Random, product: str, part: str, positive: bool, pattern: str, held_out: bool, taken: list[str]
) -> str:
    """A clause of the wanted sentiment on the wanted side of the split, not among those taken."""
    while True:
        clause = draw(lambda: _any_opinion(rng, product, part, positive, pattern), held_out)[1]
        if clause not in taken:
            return clause


def _any_opinion(rng: Random, product: str, part: str, positive: bool, pattern: str) -> tuple[str, str]:
    """(split key, clause). A verdict has no words to vary, so its key also names the pattern around it."""
    if pattern != "expected" and rng.random() < 0.25:
        verdict = rng.choice(GOOD_VERDICTS if positive else BAD_VERDICTS)
        return f"{pattern}/{verdict}", verdict
    flips = rng.random() < 0.4
    adjective = rng.choice(GOOD if positive != flips else BAD)
    plain = PLAIN_FRAMES + FRAGMENTS if pattern == "single" else PLAIN_FRAMES
    frame = rng.choice(FLIP_FRAMES if flips else plain)
    text = frame.format(n=part, p=product, a=adjective, v=rng.choice(ADVERBS))
    text = re.sub(r"\ba (?=[aeiou](?!se))", "an ", text)
    return text, text


def _aside(rng: Random, frames: list[str], product: str, hard: float) -> str:
    """A neutral sentence, or none."""
    if rng.random() > 0.5 * hard:
        return ""
    return rng.choice(frames).format(p=product, **{k: rng.choice(v) for k, v in SLOTS.items()})


def _capitalised(text: str) -> str:
    """Upper-case first letter of each sentence."""
    return " ".join(sentence(part.rstrip(".")) for part in text.split(". "))
