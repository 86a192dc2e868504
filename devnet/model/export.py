"""Writes the GGUF file: Q8_0 matrices, F32 norms, no output.weight (the embedding is tied), alignment 32."""

from pathlib import Path

import gguf
import numpy as np
import sentencepiece as spm
from gguf import GGMLQuantizationType as Kind

from net import Config, Params
from tokenizer import BOS, EOS, pieces

NAME = "assay-stories"


def write_gguf(path: Path, config: Config, params: Params, tokenizer: spm.SentencePieceProcessor) -> None:
    """Write the file beside `path`, then move it there, so that a reader never sees half of one."""
    part = path.with_suffix(".part")
    writer = gguf.GGUFWriter(part, "llama")
    _add_metadata(writer, config)
    _add_tokenizer(writer, tokenizer)
    for name, tensor in params.items():
        _add_tensor(writer, name, np.asarray(tensor, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(path)


def _add_metadata(writer: gguf.GGUFWriter, config: Config) -> None:
    writer.add_name(NAME)
    writer.add_license("MIT OR Apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_custom_alignment(32)
    writer.add_vocab_size(config.vocab)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.dim)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.ffn)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_layer_norm_rms_eps(config.eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_base)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: spm.SentencePieceProcessor) -> None:
    texts, scores, kinds = pieces(tokenizer)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(texts)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)


def _add_tensor(writer: gguf.GGUFWriter, name: str, tensor: np.ndarray) -> None:
    """A matrix [out, in] as Q8_0, a vector as F32."""
    if tensor.ndim == 1:
        writer.add_tensor(name, tensor)
    else:
        writer.add_tensor(name, gguf.quants.quantize(tensor, Kind.Q8_0), raw_dtype=Kind.Q8_0)
