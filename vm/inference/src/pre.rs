//! Pre-tokenizers by the names that `tokenizer.ggml.pre` gives them; what each name implies is llama.cpp's.

use crate::arena::Arena;
use crate::keys::Key;

/// How runs are cut into words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// Punctuation alone, words with the space before them, numbers by three ASCII digits.
    Default,
    /// Words, numbers and symbols with the space before them.
    Gpt2,
    /// Words with whatever stands before them, numbers by three.
    Llama3,
    /// The same, numbers digit by digit.
    Qwen2,
}

/// A pre-tokenizer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pre {
    /// How runs are cut.
    pub cut: Cut,
    /// Whether a word that is a token is taken whole, whatever merging would give.
    pub ignore_merges: bool,
    /// Whether prompts begin with `bos` unless the file says otherwise.
    pub add_bos: bool,
}

macro_rules! names {
    ($($name:literal => $cut:ident $(, $flag:ident)*;)*) => {
        /// Every supported name.
        pub const NAMES: &[&[u8]] = &[$($name.as_bytes()),*];

        /// What each name means.
        pub const PRES: &[Pre] = &[$({
            #[allow(unused_mut)]
            let mut pre = Pre { cut: Cut::$cut, ignore_merges: false, add_bos: false };
            $(pre.$flag = true;)*
            pre
        }),*];
    };
}

// Left out are the names of rule sets to which llama.cpp adds rules of their own (`jina-v2-*`, `modern-bert`: a mask token that
// swallows the spaces before it). The first is what a file without the key means.
names! {
    "default" => Default;
    "gpt-2" => Gpt2;
    "phi-2" => Gpt2;
    "jina-es" => Gpt2;
    "jina-de" => Gpt2;
    "jina-v1-en" => Gpt2;
    "roberta-bpe" => Gpt2;
    "gigachat" => Gpt2;
    "a.x-4.0" => Gpt2;
    "mellum" => Gpt2;
    "exaone4" => Gpt2;
    "mpt" => Gpt2;
    "olmo" => Gpt2;
    "jais" => Gpt2;
    "trillion" => Gpt2;
    "granite-docling" => Gpt2;
    "llama-bpe" => Llama3, ignore_merges, add_bos;
    "llama3" => Llama3, ignore_merges, add_bos;
    "llama-v3" => Llama3, ignore_merges, add_bos;
    "falcon3" => Llama3, ignore_merges, add_bos;
    "falcon-h1" => Llama3, ignore_merges, add_bos;
    "pixtral" => Llama3, ignore_merges, add_bos;
    "midm-2.0" => Llama3, ignore_merges, add_bos;
    "lfm2" => Llama3, ignore_merges, add_bos;
    "jina-v5-nano" => Llama3, ignore_merges, add_bos;
    "glm4" => Llama3, ignore_merges;
    "glm5" => Llama3, ignore_merges;
    "chatglm-bpe" => Llama3;
    "dbrx" => Llama3;
    "smaug-bpe" => Llama3;
    "qwen2" => Qwen2;
    "deepseek-r1-qwen" => Qwen2;
    "kormo" => Qwen2;
    "f2llmv2" => Qwen2;
    "megrez" => Qwen2;
    "stablelm2" => Qwen2;
    "hunyuan" => Qwen2;
    "solar-open" => Qwen2;
    "grok-2" => Qwen2;
}

impl Pre {
    /// The pre-tokenizer of a model whose keys have been checked.
    pub fn of(arena: &Arena) -> Pre {
        PRES[arena.get::<u32>(Key::Pre.at()) as usize]
    }
}
