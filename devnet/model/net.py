"""The network and its training step in JAX: a small Llama with grouped-query attention and tied embeddings.

Parameters are a flat dict under their GGUF names; a matrix is stored [out, in], as in the file. RoPE turns the pairs
(2i, 2i+1), which is what llama.cpp expects of q and k in a file of architecture `llama`, so export permutes nothing.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Params = dict[str, jax.Array]


class Config(NamedTuple):
    """Shape of the network."""

    vocab: int = 1024
    dim: int = 256
    layers: int = 3
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    ffn: int = 768
    context: int = 512
    rope_base: float = 10000.0
    eps: float = 1e-5


class Batch(NamedTuple):
    """Packed rows: several texts in a row, told apart by `segment` (0 is padding). All are [rows, length].

    `answer` is 1 at the answer of a review, 2 at that of a loan note, else 0.
    """

    tokens: np.ndarray
    segment: np.ndarray
    answer: np.ndarray
    weight: np.ndarray


def init_params(config: Config, seed: int) -> Params:
    """Normal weights scaled by 1/sqrt(in), norms at one, the matrices that write to the residual stream smaller."""
    rng = np.random.default_rng(seed)
    q, kv, out = config.heads * config.head_dim, config.kv_heads * config.head_dim, (2 * config.layers) ** -0.5

    def matrix(rows: int, cols: int, scale: float = 1.0) -> jax.Array:
        return jnp.asarray(rng.normal(0, scale * cols**-0.5, (rows, cols)), jnp.float32)

    params: Params = {"token_embd.weight": matrix(config.vocab, config.dim), "output_norm.weight": jnp.ones(config.dim)}
    for i in range(config.layers):
        params |= {
            f"blk.{i}.attn_norm.weight": jnp.ones(config.dim),
            f"blk.{i}.attn_q.weight": matrix(q, config.dim),
            f"blk.{i}.attn_k.weight": matrix(kv, config.dim),
            f"blk.{i}.attn_v.weight": matrix(kv, config.dim),
            f"blk.{i}.attn_output.weight": matrix(config.dim, q, out),
            f"blk.{i}.ffn_norm.weight": jnp.ones(config.dim),
            f"blk.{i}.ffn_gate.weight": matrix(config.ffn, config.dim),
            f"blk.{i}.ffn_up.weight": matrix(config.ffn, config.dim),
            f"blk.{i}.ffn_down.weight": matrix(config.dim, config.ffn, out),
        }
    return params


def forward(config: Config, params: Params, tokens: jax.Array, segment: jax.Array) -> jax.Array:
    """Logits [rows, length, vocab] of tokens [rows, length]. RoPE is relative, so positions run on over a packed row."""
    rows, length = tokens.shape
    same = segment[:, :, None] == segment[:, None, :]
    mask = (same & jnp.tril(jnp.ones((length, length), bool)))[:, None, None]  # [rows, 1, 1, length, length]
    turn = _rope_angles(config, length)
    group = config.heads // config.kv_heads
    x = params["token_embd.weight"][tokens]  # [rows, length, dim]
    for i in range(config.layers):
        w = {name: params[f"blk.{i}.{name}.weight"] for name in _LAYER}
        h = _rms_norm(x, w["attn_norm"], config.eps)
        q = _rope((h @ w["attn_q"].T).reshape(rows, length, config.kv_heads, group, config.head_dim), turn)
        k = _rope((h @ w["attn_k"].T).reshape(rows, length, config.kv_heads, 1, config.head_dim), turn)[:, :, :, 0]
        v = (h @ w["attn_v"].T).reshape(rows, length, config.kv_heads, config.head_dim)
        score = jnp.einsum("blkgd,bmkd->bkglm", q, k) * config.head_dim**-0.5
        share = jax.nn.softmax(jnp.where(mask, score, -1e30), axis=-1)
        seen = jnp.einsum("bkglm,bmkd->blkgd", share, v).reshape(rows, length, -1)
        x = x + seen @ w["attn_output"].T
        h = _rms_norm(x, w["ffn_norm"], config.eps)
        x = x + (jax.nn.silu(h @ w["ffn_gate"].T) * (h @ w["ffn_up"].T)) @ w["ffn_down"].T
    return _rms_norm(x, params["output_norm.weight"], config.eps) @ params["token_embd.weight"].T


_LAYER = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"]


def _rms_norm(x: jax.Array, weight: jax.Array, eps: float) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + eps) * weight


def _rope_angles(config: Config, length: int) -> tuple[jax.Array, jax.Array]:
    """(cos, sin), each [length, head_dim / 2]."""
    rate = config.rope_base ** (-jnp.arange(0, config.head_dim, 2) / config.head_dim)
    angle = jnp.arange(length)[:, None] * rate
    return jnp.cos(angle), jnp.sin(angle)


def _rope(x: jax.Array, turn: tuple[jax.Array, jax.Array]) -> jax.Array:
    """Turn the pairs (2i, 2i+1) of x [rows, length, kv_heads, group, head_dim] by their position's angles."""
    cos, sin = (t[None, :, None, None, :] for t in turn)
    even, odd = x[..., 0::2], x[..., 1::2]
    return jnp.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(x.shape)


def loss_of(config: Config, params: Params, batch: Batch) -> tuple[jax.Array, jax.Array]:
    """(weighted mean cross-entropy of each next token in the same segment, share of answers right a task [2])."""
    logits = forward(config, params, batch.tokens, batch.segment)[:, :-1]
    target = batch.tokens[:, 1:]
    weight = batch.weight[:, 1:] * (batch.segment[:, 1:] == batch.segment[:, :-1])
    nll = jax.nn.logsumexp(logits, axis=-1) - jnp.take_along_axis(logits, target[..., None], axis=-1)[..., 0]
    answers = jnp.stack([batch.answer[:, 1:] == task for task in (1, 2)])  # [2, rows, length - 1]
    hits = answers & (jnp.argmax(logits, axis=-1) == target)
    right = jnp.sum(hits, axis=(1, 2)) / jnp.maximum(jnp.sum(answers, axis=(1, 2)), 1)
    return jnp.sum(nll * weight) / jnp.sum(weight), right


class State(NamedTuple):
    """First moment of each parameter; second moment of those that Adam moves."""

    m: Params
    v: Params


def init_state(params: Params) -> State:
    """All moments at zero."""
    zero = {name: jnp.zeros_like(p) for name, p in params.items()}
    return State(zero, {name: jnp.zeros_like(p) for name, p in params.items() if not _moved_by_muon(name)})


def make_step(config: Config, steps: int, warmup: int = 30, adam_rate: float = 2e-3, muon_rate: float = 0.012):
    """The jitted training step: (params, state, index, batch) -> (params, state, loss, right).

    Muon (https://kellerjordan.github.io/posts/muon) moves the matrices inside the blocks, Adam the rest. Both rates
    rise over `warmup` steps, stay, and fall linearly to zero over the last two fifths of `steps`.
    """

    def step(params: Params, state: State, index: jax.Array, batch: Batch):
        (loss, right), grads = jax.value_and_grad(lambda p: loss_of(config, p, batch), has_aux=True)(params)
        t = index + 1.0
        rate = jnp.minimum(1.0, jnp.minimum(t / warmup, (steps - index) / (0.4 * steps)))
        m, v, moved = {}, {}, {}
        for name, p in params.items():
            g = grads[name]
            if _moved_by_muon(name):
                m[name] = 0.95 * state.m[name] + g
                moved[name] = p * (1 - 0.02 * muon_rate * rate) - muon_rate * rate * _orthogonal(0.95 * m[name] + g)
            else:
                m[name] = 0.9 * state.m[name] + 0.1 * g
                v[name] = 0.98 * state.v[name] + 0.02 * g * g
                unit = m[name] / (1 - 0.9**t) / (jnp.sqrt(v[name] / (1 - 0.98**t)) + 1e-8)
                moved[name] = p - adam_rate * rate * unit
        return moved, State(m, v), loss, right

    return jax.jit(step, donate_argnums=(0, 1))


def _moved_by_muon(name: str) -> bool:
    return name.startswith("blk.") and "norm" not in name


def _orthogonal(g: jax.Array) -> jax.Array:
    """The nearest orthogonal matrix to g [rows, cols], by Muon's five Newton-Schulz steps, scaled for its shape."""
    x = g if g.shape[0] <= g.shape[1] else g.T
    x = x / (jnp.linalg.norm(x) + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    x = x if g.shape[0] <= g.shape[1] else x.T
    return x * max(1.0, g.shape[0] / g.shape[1]) ** 0.5
