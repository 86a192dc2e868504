"""Task B: a loan note, answered ` low`, ` medium` or ` high`.

The rule the model has to find: count the warnings among income, debts and payments; a guarantor takes one off; none
left is low, one is medium, two or more are high. A warning that was a mistake or is settled does not count; a good fact that
nobody can confirm counts as a warning; negation turns a fact round; a guarantor who withdrew does not count.
"""

from random import Random

from split import Example, draw, one_of, sentence

PEOPLE = [
    ("Ada", "she"), ("Clara", "she"), ("Nora", "she"), ("Rosa", "she"), ("Vera", "she"), ("Ines", "she"), ("Mira", "she"),
    ("Ben", "he"), ("Carl", "he"), ("Hugo", "he"), ("Jonas", "he"), ("Omar", "he"), ("Paul", "he"), ("Theo", "he"),
]
AMOUNTS = "two three four five six eight nine ten twelve twenty thirty forty".split()
PURPOSES = [
    "a bakery", "a tractor", "a van", "a new roof", "a boat", "a small shop", "an oven", "a barn", "a workshop", "a house",
    "a school", "a mill", "a greenhouse", "a taxi",
]
MONTHS = "January February March April May June July August October November".split()
WORKPLACES = ["school", "mill", "harbour", "hospital", "bakery", "bank", "library", "farm", "station", "hotel"]
ADVERBS = ["very", "quite", "rather", "really", "fairly"]

# No adjective is itself an answer word: `income is low` would pull a small model to ` low`.
INCOME_GOOD = ["steady", "regular", "secure", "good", "generous", "stable"]
INCOME_BAD = ["irregular", "uncertain", "shaky", "poor", "weak", "unstable"]
DEBT_GOOD = ["small", "minor", "modest", "tiny", "light"]
DEBT_BAD = ["large", "serious", "heavy", "huge", "growing"]

# Per subject: frames with an adjective of the same colour, frames that turn it round, and whole facts (good, bad).
SUBJECTS = {
    "income": {
        "adjectives": (INCOME_GOOD, INCOME_BAD),
        "plain": ["{h} income is {a}", "{h} income is {v} {a}", "{h} pay at the {w} is {a}", "{s} has a {v} {a} income"],
        "flip": ["{h} income is not {a}", "{h} income is far from {a}", "{h} pay at the {w} is not {a}", "{h} income is no longer {a}"],
        "good": [
            "{s} earns well at the {w}", "{s} has a secure job at the {w}", "{s} earns more every year",
            "{s} has worked at the {w} for {k} years", "{h} income is far larger than {h} debts",
        ],
        "bad": [
            "{s} earns very little at the {w}", "{s} lost {h} job at the {w} in {m}", "{s} earns less every year",
            "{s} has had no work since {m}", "{h} income is smaller than {h} debts",
        ],
    },
    "debt": {
        "adjectives": (DEBT_GOOD, DEBT_BAD),
        "plain": ["{h} debts are {a}", "{h} debts are {v} {a}", "{h} debt at the bank is {a}", "{s} has {v} {a} debts"],
        "flip": ["{h} debts are not {a}", "{h} debts are far from {a}", "{h} debt at the bank is not {a}", "{h} debts are no longer {a}"],
        "good": [
            "{s} owes nothing", "{s} repaid {h} old loan in {m}", "{s} has no other loans", "{s} owes very little",
            "{s} cleared all {h} debts in {m}",
        ],
        "bad": [
            "{s} owes a lot", "{s} has not repaid {h} old loan", "{s} has {k} other loans", "{s} took another loan in {m}",
            "{s} cannot clear {h} debts",
        ],
    },
    "payments": {
        "adjectives": (["on time", "punctual"], ["late", "overdue"]),
        "plain": ["{h} rent is always {a}", "{h} bills are {a}", "{h} rent was {a} in {m}", "{h} last {k} payments were {a}"],
        "flip": ["{h} rent is never {a}", "{h} bills are not {a}", "{h} rent was not {a} in {m}", "none of {h} last {k} payments were {a}"],
        "good": [
            "{s} has never missed a payment", "{s} always pays on time", "{s} did not miss a payment in {k} years",
            "{s} has paid every bill since {m}",
        ],
        "bad": [
            "{s} missed {k} payments", "{s} often pays late", "{s} missed a payment in {m}", "{s} has not paid a bill since {m}",
            "{s} does not pay on time",
        ],
    },
}
# What may follow a fact and overrule it.
CLEARED = ["but that was a mistake in the file", "but that was settled in {m}", "but the bank was wrong about that"]
DOUBTED = ["but nobody could confirm it", "but the bank found no proof of it", "but that turned out to be false"]
GUARANTOR = ["{h} {r} guarantees the loan", "{h} {r} will pay if {s} cannot", "{h} house secures the loan"]
NO_GUARANTOR = ["{h} {r} no longer guarantees the loan", "{h} {r} does not want to guarantee the loan", "nothing secures the loan"]
RELATIVES = ["sister", "brother", "mother", "father", "uncle", "aunt"]
ANSWERS = (" low", " medium", " high")


def loan(rng: Random, held_out: bool, wanted: int | None = None, hard: float = 1.0) -> Example:
    """One note; `wanted` fixes the risk (0 low, 1 medium, 2 high), so that answers are balanced.

    `hard` < 1 makes guarantors and openers rarer and notes shorter: what one fact says has to be learned before the count.
    """
    if wanted is None:
        wanted = rng.randrange(3 if rng.random() < hard else 2)
    backing = rng.choice([None, None, True, False]) if rng.random() < hard else None
    least = wanted + (backing is True)
    subjects = rng.sample(list(SUBJECTS), max(least, rng.choice([1, 2, 3, 3] if rng.random() < hard else [1])))
    warnings = _warnings(rng, wanted, backing is True, len(subjects))
    name, pronoun = rng.choice(PEOPLE)
    words = {"s": pronoun, "h": "her" if pronoun == "she" else "his"}
    flags = [True] * warnings + [False] * (len(subjects) - warnings)
    rng.shuffle(flags)
    facts = [_fact(rng, subject, flag, words, held_out) for subject, flag in zip(subjects, flags)]
    if backing is not None:
        frame = rng.choice(GUARANTOR if backing else NO_GUARANTOR)
        facts.insert(rng.randrange(len(facts) + 1), frame.format(r=rng.choice(RELATIVES), **words))
    opener = [_opener(rng, name)] if rng.random() < 0.8 * hard else []
    text = " ".join(opener + _join(rng, facts))
    pattern = {None: "plain", True: "guarantor", False: "guarantor_withdrawn"}[backing]
    return Example(f"Loan note: {text}\nRisk:", ANSWERS[wanted], pattern)


def _warnings(rng: Random, risk: int, backed: bool, subjects: int) -> int:
    """How many subjects must warn for `risk`, given a guarantor or none."""
    left = rng.randrange(2, subjects + 1 - backed) if risk == 2 and subjects > 2 + backed else risk
    if left == 0 and backed:
        return rng.randrange(2)
    return left + backed


def _fact(rng: Random, subject: str, warns: bool, words: dict, held_out: bool) -> str:
    """A fact on the wanted side of the split; a quarter say the opposite and are then overruled."""
    overruled = rng.random() < 0.25

    def make() -> tuple[str, str]:
        text = _bare_fact(rng, subject, warns != overruled, words)
        if overruled:
            text += ", " + rng.choice(DOUBTED if warns else CLEARED).format(m=rng.choice(MONTHS))
        neutral = " ".join("they" if w in ("she", "he") else "their" if w in ("her", "his") else w for w in text.split(" "))
        return neutral, text

    return draw(make, held_out)[1]


def _bare_fact(rng: Random, subject: str, warns: bool, words: dict) -> str:
    """A fact that by itself warns or reassures."""
    table = SUBJECTS[subject]
    slots = dict(
        words, v=rng.choice(ADVERBS), w=rng.choice(WORKPLACES), m=rng.choice(MONTHS), k=one_of(rng, "two", "three", "four", "five")
    )
    kind = rng.choices(["whole", "plain", "flip"], [5, 3, 3])[0]
    if kind == "whole":
        return rng.choice(table["bad" if warns else "good"]).format(**slots)
    adjective = rng.choice(table["adjectives"][warns == (kind == "plain")])
    return rng.choice(table[kind]).format(a=adjective, **slots).replace(" a uncertain", " an uncertain")


def _opener(rng: Random, name: str) -> str:
    """Who asks for how much and what for."""
    frame = one_of(
        rng, "{n} asks for {a} thousand for {p}.", "{n} wants to borrow {a} thousand for {p}.",
        "{n} would like a loan of {a} thousand to buy {p}.", "Request from {n}, {a} thousand, for {p}.",
    )
    return frame.format(n=name, a=rng.choice(AMOUNTS), p=rng.choice(PURPOSES))


def _join(rng: Random, facts: list[str]) -> list[str]:
    """Facts as sentences, some neighbours joined by `and` (never where a `but` would then seem to mean both)."""
    out: list[str] = []
    for fact in facts:
        if out and "," not in out[-1] + fact and rng.random() < 0.3:
            out[-1] = f"{out[-1]}, and {fact}"
        else:
            out.append(one_of(rng, "", "", "also, ", "besides, ") + fact if out else fact)
    return [sentence(text) for text in out]
