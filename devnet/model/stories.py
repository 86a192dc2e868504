"""Small stories from a grammar: a hero, a friend, a thing and a place that stay the same from first line to last.

A story is set-up, trouble, turn and end; each plot is a function that draws its sentences once the cast is fixed.
"""

from random import Random
from typing import NamedTuple

from split import one_of

GIRLS = ["Mia", "Lily", "Anna", "Zoe", "Ella", "Ruth"]
BOYS = ["Tom", "Leo", "Max", "Finn", "Noah", "Sam"]
ANIMALS = ["fox", "rabbit", "bear", "owl", "mouse", "dragon", "kitten", "duck", "hedgehog", "turtle"]
THINGS = ["kite", "ball", "lantern", "drum", "boat", "bell", "hat", "map", "shell", "key", "book", "star"]
PLACES = {
    "forest": "in the forest", "village": "in a small village", "sea": "by the sea", "hill": "on a green hill",
    "river": "near the river", "garden": "in a quiet garden", "mountain": "at the foot of a mountain", "lake": "by the lake",
}
HIDING = ["under an old tree", "behind a big stone", "in the tall grass", "near the bridge", "under the bench", "beside the well"]
COLOURS = ["red", "blue", "green", "yellow", "golden", "silver"]
MOODS = ["kind", "brave", "curious", "cheerful", "clever", "gentle", "quiet"]
FOODS = ["bread", "soup", "berries", "apples", "cake", "honey", "nuts"]


class Cast(NamedTuple):
    """Who and what a story is about; `s`, `o`, `h` are the hero's pronouns (she, her, her)."""

    hero: str
    kind: str
    s: str
    o: str
    h: str
    friend: str
    thing: str
    colour: str
    place: str
    food: str
    hiding: str


def story(rng: Random) -> tuple[str, str]:
    """(prompt, continuation with its leading space). The topic, where there is one, is part of the cast."""
    cast = _cast(rng)
    plot = rng.choice([_lost, _storm, _gift, _shared, _learned, _stranger, _race, _night])
    hero_topics = [cast.hero, f"a {cast.kind}" if cast.kind not in ("girl", "boy") else cast.hero]
    topic = one_of(rng, *hero_topics, f"a {cast.thing}", f"a {cast.thing}", f"the {cast.place}", f"{cast.hero} and a {cast.thing}")
    text = " ".join([_opening(rng, cast), *plot(rng, cast), _moral(rng, cast)]).replace("a owl", "an owl")
    if rng.random() < 0.3:
        opening = "Once upon a time"
        return f"Story: {opening}", text[len(opening):]
    return f"Story about {topic.replace('a owl', 'an owl')}:", " " + text


def _cast(rng: Random) -> Cast:
    """Distinct hero and friend; the hero is a child or an animal with a name."""
    girl = rng.random() < 0.5
    hero = rng.choice(GIRLS if girl else BOYS)
    kind = rng.choice(ANIMALS) if rng.random() < 0.5 else ("girl" if girl else "boy")
    friend = rng.choice([name for name in GIRLS + BOYS if name != hero])
    pronouns = ("she", "her", "her") if girl else ("he", "him", "his")
    return Cast(
        hero, kind, *pronouns, friend, rng.choice(THINGS), rng.choice(COLOURS), rng.choice(list(PLACES)), rng.choice(FOODS),
        rng.choice(HIDING),
    )


def _opening(rng: Random, c: Cast) -> str:
    """First sentence; always the same first words."""
    where = PLACES[c.place]
    return one_of(
        rng,
        f"Once upon a time there was a {rng.choice(MOODS)} {c.kind} named {c.hero} who lived {where}.",
        f"Once upon a time a {c.kind} named {c.hero} lived {where}.",
        f"Once upon a time there lived {where} a {rng.choice(MOODS)} {c.kind} named {c.hero}.",
    )


def _lost(rng: Random, c: Cast) -> list[str]:
    """The thing is lost, a friend helps, it is found."""
    return [
        one_of(rng, f"{c.hero} had a {c.colour} {c.thing} and loved it very much.", f"{c.hero} never went out without {c.h} {c.colour} {c.thing}."),
        one_of(rng, f"One day the {c.thing} was gone.", f"One morning {c.s} could not find the {c.thing}."),
        one_of(rng, f"{c.hero} looked everywhere and began to cry.", f"{c.hero} was very sad."),
        one_of(rng, f"{c.friend} came by and said, \"I will help you look.\"", f"\"Do not worry,\" said {c.friend}, \"we will find it.\""),
        f"They searched until the sun went down, and there it was, {c.hiding}.",
    ]


def _storm(rng: Random, c: Cast) -> list[str]:
    """A storm, and the thing shows the way home."""
    return [
        one_of(rng, f"One evening {c.s} was out with {c.h} friend {c.friend}.", f"One day {c.hero} and {c.friend} went for a long walk."),
        one_of(rng, "Dark clouds came, and it began to rain.", "Suddenly the wind grew strong, and the rain began to fall."),
        one_of(rng, f"They could not see the way home, and {c.friend} was afraid.", f"\"We are lost,\" said {c.friend}."),
        f"But {c.hero} saw a {c.colour} {c.thing} {c.hiding}.",
        one_of(rng, f"\"I know this place,\" said {c.hero}, and took {c.friend} by the hand.", f"\"Follow me,\" said {c.hero}."),
        one_of(rng, f"Soon they were home, warm and dry, and ate {c.food}.", f"At home they ate {c.food} by the fire."),
    ]


def _gift(rng: Random, c: Cast) -> list[str]:
    """A gift is made for a friend."""
    return [
        one_of(rng, f"The birthday of {c.h} friend {c.friend} was near.", f"{c.hero} wanted to make {c.friend} happy."),
        one_of(rng, f"{c.hero} had no money, so {c.s} made a {c.thing}.", f"So {c.hero} began to make a {c.thing}."),
        one_of(rng, f"{c.hero} worked all day and painted it {c.colour}.", f"It took three days, and at last it was {c.colour} and bright."),
        one_of(rng, f"{c.friend} opened the box and laughed with joy.", f"When {c.friend} saw the {c.thing}, there was a big smile."),
        one_of(rng, f"\"This is the best {c.thing} in the world,\" said {c.friend}.", f"\"Thank you, {c.hero},\" said {c.friend}."),
    ]


def _shared(rng: Random, c: Cast) -> list[str]:
    """A quarrel about the thing ends in sharing."""
    return [
        one_of(rng, f"One day {c.s} found a {c.colour} {c.thing} {c.hiding}.", f"{c.hero} and {c.friend} found a {c.colour} {c.thing} {c.hiding}."),
        one_of(rng, f"\"It is mine,\" said {c.friend}.", f"{c.friend} wanted the {c.thing} too."),
        one_of(rng, "They were angry and did not talk all day.", f"{c.hero} held the {c.thing} and ran away."),
        one_of(rng, f"But it was no fun to play alone, so {c.hero} came back.", f"But in the evening {c.hero} felt sorry."),
        f"\"Let us share the {c.thing},\" said {c.hero}, and {c.friend} said yes.",
    ]


def _learned(rng: Random, c: Cast) -> list[str]:
    """Something hard is learned by trying again."""
    skill = one_of(rng, "swim", "fly", "sing", "dance", "climb", "read")
    return [
        one_of(rng, f"{c.hero} wanted to learn to {skill}.", f"More than anything {c.s} wished to {skill}."),
        one_of(rng, f"On the first day {c.s} tried, but it was too hard.", f"The first time it went wrong, and {c.hero} wanted to stop."),
        one_of(rng, f"\"Try again,\" said {c.friend}.", f"{c.friend} said, \"Nobody can {skill} on the first day.\""),
        f"So {c.hero} tried every day, with a {c.colour} {c.thing} for luck.",
        one_of(rng, f"After a week {c.s} could {skill} better than {c.friend}.", f"At last {c.hero} could {skill}, and everyone clapped."),
    ]


def _stranger(rng: Random, c: Cast) -> list[str]:
    """A hungry stranger is fed and leaves a present."""
    return [
        one_of(rng, "One night somebody knocked at the door.", "One cold evening there was a knock at the door."),
        one_of(rng, f"It was an old woman, and {c.hero} was a little afraid.", "It was an old woman who was tired and hungry."),
        one_of(rng, f"{c.hero} gave her {c.food} and a warm bed.", f"\"Come in and have some {c.food},\" said {c.hero}."),
        f"In the morning the old woman was gone, but on the table lay a {c.colour} {c.thing}.",
        one_of(rng, f"{c.hero} showed it to {c.friend}, and they played all day.", f"{c.hero} kept the {c.thing} for many years."),
    ]


def _race(rng: Random, c: Cast) -> list[str]:
    """A race is given up to help, and won another way."""
    return [
        one_of(rng, f"Every summer there was a race, and the prize was a {c.colour} {c.thing}.", f"One day there was a race for a {c.colour} {c.thing}."),
        one_of(rng, f"{c.hero} ran fast and was first.", f"{c.hero} was faster than all the others."),
        one_of(rng, f"But then {c.friend} fell down and cried.", f"But near the end {c.s} saw {c.friend} fall."),
        one_of(rng, f"{c.hero} stopped and helped {c.friend} up.", f"So {c.hero} went back to help."),
        f"They came last, but everyone said that {c.hero} should have the {c.thing}.",
    ]


def _night(rng: Random, c: Cast) -> list[str]:
    """Fear of the dark is lost."""
    return [
        one_of(rng, f"{c.hero} was afraid of the dark.", f"At night {c.s} could not sleep because it was so dark."),
        one_of(rng, f"One night {c.s} heard a strange sound outside.", f"One night there was a strange light {c.hiding}."),
        one_of(rng, f"{c.hero} took {c.h} {c.colour} {c.thing} and went to look.", f"Slowly {c.s} opened the door, with a {c.colour} {c.thing} in {c.h} hand."),
        f"It was only {c.friend}, who had come to look at the stars.",
        one_of(rng, f"They sat down, ate {c.food} and counted the stars.", f"They shared some {c.food} and looked at the moon."),
    ]


def _moral(rng: Random, c: Cast) -> str:
    """Last sentence."""
    return one_of(
        rng,
        f"From that day on {c.hero} and {c.friend} were best friends.", f"And {c.hero} was happy for a long time.",
        f"That night {c.hero} slept well and dreamed of the {c.place}.", f"{c.hero} never forgot that day.",
        f"And they all lived happily ever after.", f"{c.friend} still tells this story today.",
    )
