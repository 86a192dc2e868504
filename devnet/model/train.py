"""Builds the devnet model from nothing but this folder: text, vocabulary, training, GGUF, held-out accuracy, report.

    .venv/bin/python train.py            # the committed model
    .venv/bin/python train.py --steps 50 --out build/quick.gguf   # a bad one, quickly
"""

import argparse
import hashlib
import json
import time
from pathlib import Path
from random import Random

import jax
import numpy as np

import check
import corpus
from export import NAME, write_gguf
from net import Config, init_params, init_state, make_step
from tokenizer import encode, train_tokenizer

HERE = Path(__file__).parent
SEED = 20240607
ROWS, LENGTH = 12, 256
TOKENIZER_TEXTS, HELD_OUT, PUBLISHED, STORIES = 40_000, 600, 102, 10


def main() -> None:
    """Train, write, measure, report."""
    args = _arguments()
    started = time.time()
    build = HERE / "build"
    build.mkdir(exist_ok=True)
    rng = Random(SEED)
    texts = ["".join(corpus.draw_text(rng)[:2]) for _ in range(TOKENIZER_TEXTS)]
    tokenizer = train_tokenizer(texts, build / "tokenizer.model")
    config = Config()
    seen = train(config, tokenizer, args.steps, args.out)
    model = check.load(args.out)
    report = {"name": NAME, "steps": args.steps, "tokens_per_step": ROWS * LENGTH, "seed": SEED}
    report |= describe(args.out, model, texts, tokenizer)
    report |= measure(model, seen)
    report["wall_minutes"] = round((time.time() - started) / 60, 1)
    print(json.dumps(report, indent=2, ensure_ascii=False))
    if args.out.parent == HERE:
        (HERE / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--out", type=lambda text: Path(text).resolve(), default=HERE / "assay-stories.gguf")
    return parser.parse_args()


def train(config: Config, tokenizer, steps: int, out: Path) -> set[str]:
    """Train for `steps` and write the file; the set of all training prompts of both tasks, to prove the split."""
    params = init_params(config, SEED)
    state, step, seen = init_state(params), make_step(config, steps), set()
    curriculum, started = corpus.Curriculum(), time.time()
    feed = corpus.batches(tokenizer, SEED, ROWS, LENGTH, curriculum, seen)
    for index in range(steps):
        params, state, loss, right = step(params, state, np.float32(index), next(feed))
        curriculum.update(np.asarray(right))
        if index % 25 == 0 or index == steps - 1:
            shares, hard = (" ".join(f"{x:.2f}" for x in pair) for pair in (curriculum.right, curriculum.hard))
            print(f"step {index} loss {loss:.3f} right {shares} hard {hard} {time.time() - started:.0f} s", flush=True)
        if index % 300 == 299:
            write_gguf(HERE / "build" / "checkpoint.gguf", config, params, tokenizer)
    write_gguf(out, config, params, tokenizer)
    return seen


def describe(path: Path, model: check.Model, texts: list[str], tokenizer) -> dict:
    """Facts about the file, after asserting that it cuts text as sentencepiece does."""
    for text in texts[:300]:
        assert check.tokenize(model, text) == encode(tokenizer, text), text
    data = path.read_bytes()
    parameters = sum(tensor.size for tensor in model.tensors.values())
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "parameters": parameters}


def measure(model: check.Model, seen: set[str]) -> dict:
    """Held-out accuracy in greedy decoding on the file's own weights, and stories; writes held_out.jsonl."""
    examples = corpus.held_out(SEED + 1, HELD_OUT)
    stories = corpus.story_prompts(SEED + 2, STORIES)
    rows = []
    for task, group in examples.items():
        assert not seen & {example.prompt for example in group}, "a held-out prompt was trained on"
        rows += [{"task": task, **example._asdict()} for example in group[:PUBLISHED]]
    rows += [{"task": "story", "prompt": prompt} for prompt in stories]
    (HERE / "held_out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = {}
    for prompt in stories:
        ids, ended = check.greedy(model, prompt, 200)
        told[prompt] = {"text": check.detokenize(model, ids), "tokens": len(ids), "ended": ended}
    return {"held_out": {task: check.accuracy(model, group) for task, group in examples.items()}, "stories": told}


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    main()
