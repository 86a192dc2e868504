//! Where everything in the arena is, and the limits that make it fit.
//!
//! `NAME: u32` is a byte offset; the comment gives what is there. The layout is fixed up to the
//! vocabulary's table; what follows depends on model and request, and is placed by [`crate::areas`] and [`crate::plan`].

/// Address of the arena in the guest's linear memory.
pub const ARENA_ADDRESS: u32 = 2 << 20;
/// Bytes in a page of linear memory.
pub const PAGE: u32 = 65_536;
/// Largest arena: slices must stay below 2 GiB.
pub const ARENA_MAX: u32 = (1 << 31) - PAGE - ARENA_ADDRESS;

/// Instructions that a macro step aims at; a step ends once it has counted as many.
pub const BUDGET: u32 = 3_000_000;
/// Most macro steps that a plan may need: half of the trace's 2^25.
pub const MAX_YIELDS: u64 = 1 << 24;

/// Largest GGUF header (metadata and tensor list), in bytes.
pub const MAX_HEADER: u64 = 1 << 26;
/// Most metadata entries.
pub const MAX_KEYS: u64 = 65_536;
/// Most vocabulary entries.
pub const MAX_VOCAB: u32 = 262_144;
/// Most merges of a byte-level vocabulary.
pub const MAX_MERGES: u32 = 524_288;
/// Longest vocabulary entry, in bytes.
pub const MAX_TOKEN_BYTES: u32 = 256;
/// Most layers.
pub const MAX_LAYERS: u32 = 128;
/// Largest embedding.
pub const MAX_DIM: u32 = 16_384;
/// Largest feed-forward width.
pub const MAX_FFN: u32 = 32_768;
/// Most attention heads.
pub const MAX_HEADS: u32 = 512;
/// Most elements of a head.
pub const MAX_HEAD: u32 = 512;
/// Most that rotary frequencies may be divided by.
pub const MAX_ROPE_FACTOR: f32 = 4096.0;
/// Longest context that a file may name.
pub const MAX_CONTEXT: u32 = 1 << 20;
/// Most probes in the vocabulary's index.
pub const MAX_PROBES: u32 = 128;
/// Most tokens of one class that share a hash.
pub const MAX_EQUAL: u32 = 3;

/// Most bytes of payload and output together.
pub const MAX_BYTES: u32 = 65_536;
/// Bytes of the request header that the contract writes.
pub const REQUEST_HEADER: u32 = 192;
/// Most answer tokens.
pub const MAX_TOKENS: u32 = 4096;
/// Most stop strings.
pub const MAX_STOPS: u32 = 8;
/// Longest stop string.
pub const MAX_STOP_BYTES: u32 = 256;
/// Most prompt parts.
pub const MAX_PARTS: u32 = 64;
/// Highest temperature, in thousandths.
pub const MAX_TEMPERATURE: u32 = 10_000;
/// Most candidates that top-k may leave.
pub const MAX_TOP_K: u32 = 256;
/// Highest min-p, in thousandths.
pub const MAX_MIN_P: u32 = 1000;
/// Fewest choices.
pub const MIN_CHOICES: u32 = 2;
/// Most choices.
pub const MAX_CHOICES: u32 = 64;
/// Longest choice, in bytes.
pub const MAX_CHOICE_BYTES: u32 = 256;

// Header: u32 unless said otherwise.
/// Phase, a [`crate::program::Phase`].
pub const PHASE: u32 = 0;
/// u64: bytes of the model.
pub const MODEL_LEN: u32 = 8;
/// u64: bytes of the request ROM.
pub const REQUEST_LEN: u32 = 16;
/// Bytes of the output.
pub const OUTPUT_LEN: u32 = 24;
/// Kind byte of the output.
pub const KIND: u32 = 28;
/// Ids in the output.
pub const COUNT: u32 = 32;
/// u64: where the GGUF parser is.
pub const POSITION: u32 = 40;
/// u64: entries left of what is being parsed.
pub const LEFT: u32 = 48;
/// u64: keys left after the string array being walked.
pub const KEYS_LEFT: u32 = 56;
/// Whether the string array being walked is the vocabulary.
pub const IS_VOCAB: u32 = 64;
/// u64: tensors in the file.
pub const TENSOR_COUNT: u32 = 72;
/// u64: known keys seen, one bit each.
pub const SEEN: u32 = 80;
/// u64: file offset of tensor data.
pub const DATA_START: u32 = 88;

/// Values of known keys, in the order of [`crate::keys::KEYS`], u32 each (arrays: two, see there).
pub const VALUES: u32 = 0xe40;

/// Longest control or user-defined token, in bytes.
pub const LONGEST_SPECIAL: u32 = 512;
/// Longest normal token, in bytes.
pub const LONGEST_NORMAL: u32 = 516;
/// 256 bits: first bytes of control and user-defined tokens.
pub const SPECIAL_FIRST: u32 = 520;
/// Vocabulary index: slots - 1.
pub const INDEX_MASK: u32 = 552;
/// Vocabulary entries indexed so far.
pub const INDEXED: u32 = 556;

/// Offsets of [`crate::areas::Area`]s, u32 each.
pub const AREAS: u32 = 576;

/// Bytes of payload.
pub const PAYLOAD_LEN: u32 = 640;
/// Most ids of the answer.
pub const TOKENS_WANTED: u32 = 644;
/// Stop strings.
pub const STOP_COUNT: u32 = 648;
/// Prompt parts.
pub const PART_COUNT: u32 = 652;
/// Tolerance: thousandths of a logit.
pub const MAX_GAP: u32 = 656;
/// Tolerance: positions.
pub const MAX_FLIPS: u32 = 660;
/// Bytes of all parts, choices included.
pub const INPUT_LEN: u32 = 664;

/// Splitter: the part it is in.
pub const SPLIT_PART: u32 = 704;
/// Splitter: bytes done of all parts.
pub const SPLIT_AT: u32 = 708;
/// Splitter: end of the part it is in.
pub const SPLIT_END: u32 = 712;
/// Bytes of escaped text (byte-level: of raw text).
pub const ESCAPED_LEN: u32 = 716;
/// Items: raw runs and special tokens.
pub const ITEM_COUNT: u32 = 720;
/// Whether the last item is a run that still grows.
pub const RUN_OPEN: u32 = 724;

/// Merger: the item it is in.
pub const MERGE_ITEM: u32 = 736;
/// Merger: stage within the item, a [`crate::merge::Stage`].
pub const MERGE_STAGE: u32 = 740;
/// Merger: cursor within the stage.
pub const MERGE_AT: u32 = 744;
/// Symbols of the run.
pub const SYMBOL_COUNT: u32 = 748;
/// Pairs in the heap.
pub const HEAP_COUNT: u32 = 752;
/// Ids of the prompt.
pub const PROMPT_COUNT: u32 = 756;

/// Stop rule: ids taken so far.
pub const TAKEN: u32 = 768;
/// Stop rule: bytes that they spell.
pub const SPELLED: u32 = 772;
/// Stop rule: bytes of text, cut by a stop string.
pub const TEXT_LEN: u32 = 776;
/// Whether the answer is over.
pub const ENDED: u32 = 780;

/// Positions to compute.
pub const FED: u32 = 832;
/// Whether the last position is alone in its chunk.
pub const ALONE: u32 = 836;
/// First position of the chunk.
pub const CHUNK_AT: u32 = 840;
/// Positions in the chunk.
pub const CHUNK_LEN: u32 = 844;
/// Layer.
pub const LAYER: u32 = 848;
/// Operator, a [`crate::forward::Op`].
pub const OP: u32 = 852;
/// Row or token that the operator is at.
pub const ITEM: u32 = 856;
/// First position of the chunk whose logits are needed, counted in the chunk.
pub const NEED_FROM: u32 = 860;
/// Positions that had a gap.
pub const FLIPS: u32 = 864;
/// Attention: head.
pub const HEAD: u32 = 868;
/// Attention: stage.
pub const ATTENTION_STAGE: u32 = 872;
/// Attention: key position.
pub const KEY_AT: u32 = 876;
/// f32: attention's largest score.
pub const SCORE_MAX: u32 = 880;
/// f32: attention's sum of weights.
pub const WEIGHT_SUM: u32 = 884;
/// f32: `1 / sqrt(head size)`.
pub const SCALE: u32 = 888;
/// Positions that the key and value cache holds.
pub const CAPACITY: u32 = 892;
/// u64: bound on the macro steps of the whole request.
pub const PLANNED: u32 = 896;
/// u64: macro steps so far.
pub const YIELDS: u32 = 904;

/// Offsets of the dynamic buffers, u32 each.
pub const BUFFERS: u32 = 960;

/// How ids are found, a [`crate::sampler::Sampling`].
pub const SAMPLING: u32 = 0x480;
/// Temperature, in thousandths.
pub const TEMPERATURE: u32 = 0x484;
/// Candidates by score; 0 for all.
pub const TOP_K: u32 = 0x488;
/// Least share of the best candidate's probability, in thousandths.
pub const MIN_P: u32 = 0x48c;
/// u64 x 4: the request's seed.
pub const SEED: u32 = 0x490;
/// Row of the chunk's logits that is being walked.
pub const ROW: u32 = 0x4b0;
/// A [`crate::draw::Draw`]'s numbers.
pub const DRAW: u32 = 0x4b4;
/// f64: its best `score / T + noise`.
pub const DRAW_BEST: u32 = 0x4c8;
/// Choices.
pub const CHOICE_COUNT: u32 = 0x4d0;
/// Choices that were tokenized or are being.
pub const TEXTS: u32 = 0x4d4;
/// Parts of the text being tokenized and of all before it.
pub const LAST_PART: u32 = 0x4d8;
/// The claimed choice.
pub const CLAIMED: u32 = 0x4dc;
/// What is being computed: 0 the prompt, i + 1 choice i.
pub const PASS: u32 = 0x4e0;
/// Scores of the row that are in [`SUM`].
pub const SUMMED: u32 = 0x4e4;
/// f64: sum of `e^(score - largest)`.
pub const SUM: u32 = 0x4e8;
/// u32 x 256: counters of the selection.
pub const HISTOGRAM: u32 = 0x600;
/// Choices: index of the first id, ids.
pub const CHOICES: u32 = 0xa00;
/// f64 for each choice: its score.
pub const SCORES: u32 = 0xc00;
/// Merges of the vocabulary read so far.
pub const MERGES_READ: u32 = 0xe00;
/// File offset of the next.
pub const MERGES_AT: u32 = 0xe04;
/// Their index: slots - 1.
pub const PAIR_MASK: u32 = 0xe08;
/// Splitter: stage within the part.
pub const SPLIT_STAGE: u32 = 0xe0c;
/// Splitter: byte at which special tokens are looked for.
pub const SEEK_AT: u32 = 0xe10;
/// Word of a byte-level run: where it starts in the run.
pub const WORD_AT: u32 = 0xe14;
/// Where it ends.
pub const WORD_END: u32 = 0xe18;
/// Word cutter: state, a number of [`crate::words`].
pub const CUT_STATE: u32 = 0xe1c;
/// Word cutter: byte of the run that it looks at.
pub const CUT_AT: u32 = 0xe20;
/// Word cutter: characters counted.
pub const CUT_SEEN: u32 = 0xe24;
/// Word cutter: place remembered.
pub const CUT_MARK: u32 = 0xe28;

/// Tensor table: 16 bytes a slot.
pub const TENSORS: u32 = 0x1000;
/// Parts of the prompt, then choices: kind, bytes.
pub const PARTS: u32 = 0xb000;
/// Stop strings: `length u32`, then 256 bytes.
pub const STOPS: u32 = 0xb400;
/// Bytes between stop strings.
pub const STOP_STRIDE: u32 = 4 + MAX_STOP_BYTES;
/// For each byte value, its token's id + 1, or 0 where a byte-level vocabulary has none.
pub const BYTES: u32 = 0xc000;
/// Best score (f32), best id, score of the claimed id (f32) for each needed position of the chunk.
pub const PICKS: u32 = 0xc800;
/// The parts' bytes, those of choices included.
pub const INPUT: u32 = 0x1_0000;
/// What the answer's ids spell.
pub const TEXT: u32 = 0x2_0000;
/// Vocabulary: 16 bytes an entry.
pub const TOKENS: u32 = 0x4_0000;
const _: () = assert!(
    TENSORS + 16 * (crate::tensors::GLOBAL + crate::tensors::PER_LAYER * MAX_LAYERS) <= PARTS
);
const _: () = assert!(STOPS + MAX_STOPS * STOP_STRIDE <= BYTES && BYTES + 1024 <= PICKS);
const _: () = assert!(TEXT + MAX_BYTES + MAX_TOKEN_BYTES <= TOKENS);
const _: () = assert!(AREAS + 4 * 9 <= PAYLOAD_LEN && BUFFERS + 4 * 14 <= SAMPLING);
const _: () = assert!(PARTS + 8 * (MAX_PARTS + MAX_CHOICES) <= STOPS);
const _: () =
    assert!(CHOICES + 8 * MAX_CHOICES <= SCORES && SCORES + 8 * MAX_CHOICES <= MERGES_READ);
