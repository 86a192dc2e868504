"""Reads the finished file back and runs it greedily in numpy: shares no arithmetic with `net.py`.

`python check.py` prints the held-out accuracy of the committed file without training anything.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import gguf
import numpy as np

BOS, EOS = 1, 2


class Model(NamedTuple):
    """Metadata by key, dequantised tensors by name (matrices [out, in]), and piece scores for the tokenizer."""

    meta: dict
    tensors: dict[str, np.ndarray]
    ids: dict[str, int]
    scores: list[float]


def load(path: Path) -> Model:
    """Everything in the file, Q8_0 turned to f32."""
    reader = gguf.GGUFReader(path)
    meta = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32) for t in reader.tensors}
    ids = {piece: i for i, piece in enumerate(meta["tokenizer.ggml.tokens"])}
    return Model(meta, tensors, ids, meta["tokenizer.ggml.scores"])


def tokenize(model: Model, text: str) -> list[int]:
    """llama.cpp's SPM rule from the file's own metadata: join the neighbours whose piece scores best, leftmost first."""
    parts = list("\u2581" + text.replace(" ", "\u2581"))
    while True:
        joins = [(model.scores[model.ids[a + b]], -i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in model.ids]
        if not joins:
            break
        at = -max(joins)[1]
        parts[at : at + 2] = ["".join(parts[at : at + 2])]
    out = [BOS]
    for part in parts:
        out += [model.ids[part]] if part in model.ids else [model.ids[f"<0x{byte:02X}>"] for byte in part.encode()]
    return out


def detokenize(model: Model, ids: list[int]) -> str:
    """Text of generated ids; byte tokens become bytes."""
    out = b""
    for i in ids:
        piece = model.meta["tokenizer.ggml.tokens"][i]
        out += bytes([int(piece[3:5], 16)]) if piece.startswith("<0x") else piece.replace("\u2581", " ").encode()
    return out.decode(errors="replace")


class Run:
    """One sequence being read: the keys and values of every position so far."""

    def __init__(self, model: Model):
        self.w, get = model.tensors, lambda key: model.meta[f"llama.{key}"]
        self.layers, self.heads, self.kv = get("block_count"), get("attention.head_count"), get("attention.head_count_kv")
        self.eps, size = get("attention.layer_norm_rms_epsilon"), get("rope.dimension_count")
        self.size, self.rate = size, get("rope.freq_base") ** (-np.arange(0, size, 2) / size)
        self.keys = [np.zeros((self.kv, 0, size), np.float32) for _ in range(self.layers)]
        self.values = [np.zeros((self.kv, 0, size), np.float32) for _ in range(self.layers)]

    def feed(self, ids: list[int]) -> np.ndarray:
        """Read `ids` after what came before; logits [vocab] after the last."""
        past, n = self.keys[0].shape[1], len(ids)
        at = past + np.arange(n)
        turn = np.exp(1j * at[:, None] * self.rate)  # pairs (2i, 2i+1) as complex numbers
        hidden = np.arange(past + n)[None, :] > at[:, None]  # [n, past + n]
        x = self.w["token_embd.weight"][ids]  # [n, dim]
        for i in range(self.layers):
            x = x + self._attend(i, self._norm(x, f"blk.{i}.attn_norm.weight"), turn, hidden)
            h = self._norm(x, f"blk.{i}.ffn_norm.weight")
            gate, up = self._mul(h, i, "ffn_gate"), self._mul(h, i, "ffn_up")
            x = x + self._mul(gate / (1 + np.exp(-gate)) * up, i, "ffn_down")
        return self.w["token_embd.weight"] @ self._norm(x[-1:], "output_norm.weight")[0]

    def _attend(self, i: int, h: np.ndarray, turn: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """Attention of h [n, dim] over everything read so far, [n, dim]."""
        n, group = len(h), self.heads // self.kv
        q = _turned(self._mul(h, i, "attn_q").reshape(n, self.heads, self.size), turn)
        k = _turned(self._mul(h, i, "attn_k").reshape(n, self.kv, self.size), turn)
        v = self._mul(h, i, "attn_v").reshape(n, self.kv, self.size)
        self.keys[i] = np.concatenate([self.keys[i], k.transpose(1, 0, 2)], axis=1)
        self.values[i] = np.concatenate([self.values[i], v.transpose(1, 0, 2)], axis=1)
        seen = np.empty_like(q)
        for head in range(self.heads):
            score = q[:, head] @ self.keys[i][head // group].T / np.sqrt(self.size)
            score = np.where(hidden, -np.inf, score)
            share = np.exp(score - score.max(axis=1, keepdims=True))
            seen[:, head] = share / share.sum(axis=1, keepdims=True) @ self.values[i][head // group]
        return self._mul(seen.reshape(n, -1), i, "attn_output")

    def _mul(self, x: np.ndarray, layer: int, name: str) -> np.ndarray:
        return x @ self.w[f"blk.{layer}.{name}.weight"].T

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.eps) * self.w[name]


def _turned(x: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """x [n, heads, size] with its pairs turned by `turn` [n, size / 2]."""
    pairs = (x[..., 0::2] + 1j * x[..., 1::2]) * turn[:, None, :]
    return np.stack([pairs.real, pairs.imag], axis=-1).reshape(x.shape).astype(np.float32)


def greedy(model: Model, prompt: str, limit: int) -> tuple[list[int], bool]:
    """(ids after the prompt without </s>, did it end by itself). Ties go to the lowest id."""
    run = Run(model)
    logits, out = run.feed(tokenize(model, prompt)), []
    while len(out) < limit:
        token = int(np.argmax(logits))
        if token == EOS:
            return out, True
        out.append(token)
        logits = run.feed([token])
    return out, False


def answer(model: Model, prompt: str, limit: int = 4) -> str:
    """The greedy answer to a task prompt; `(no end)` is appended where the model did not stop."""
    ids, ended = greedy(model, prompt, limit)
    return detokenize(model, ids) + ("" if ended else "(no end)")


def accuracy(model: Model, examples: list) -> dict:
    """Share right in all and by pattern, and how often each wrong answer was given, of (prompt, answer, pattern)."""
    by_pattern: dict[str, list[bool]] = {}
    wrong: dict[str, int] = {}
    for prompt, expected, pattern in examples:
        got = answer(model, prompt)
        by_pattern.setdefault(pattern, []).append(got == expected)
        if got != expected:
            key = f"{expected.strip()} -> {got.strip()}"
            wrong[key] = wrong.get(key, 0) + 1
    hits = [hit for group in by_pattern.values() for hit in group]
    return {
        "prompts": len(hits),
        "accuracy": round(sum(hits) / len(hits), 4),
        "by_pattern": {name: round(sum(group) / len(group), 4) for name, group in sorted(by_pattern.items())},
        "wrong": dict(sorted(wrong.items())),
    }


def main() -> None:
    """Accuracy of the file on held_out.jsonl and on the hand-written probes."""
    here = Path(__file__).parent
    model = load(Path(sys.argv[1]) if len(sys.argv) > 1 else here / "assay-stories.gguf")
    for name in ("held_out.jsonl", "probes.jsonl"):
        rows = [json.loads(line) for line in (here / name).read_text().splitlines()]
        for task in ("review", "loan"):
            examples = [(r["prompt"], r["answer"], r.get("pattern", "by_hand")) for r in rows if r["task"] == task]
            print(name, task, accuracy(model, examples))


if __name__ == "__main__":
    main()
