//! The types of random values, and what works on them.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ty {
    I32,
    I64,
    F32,
    F64,
    V128,
    Func,
}

pub use Ty::{F32, F64, Func, I32, I64, V128};

impl Ty {
    pub const ALL: [Ty; 6] = [I32, I64, F32, F64, V128, Func];

    pub fn name(self) -> &'static str {
        match self {
            I32 => "i32",
            I64 => "i64",
            F32 => "f32",
            F64 => "f64",
            V128 => "v128",
            Func => "funcref",
        }
    }

    /// Operators from this type to itself, by number of operands, and to others.
    pub fn operators(self) -> &'static [(&'static str, usize, Ty)] {
        match self {
            I32 => &[
                ("i32.add", 2, I32),
                ("i32.xor", 2, I32),
                ("i32.eqz", 1, I32),
                ("i64.extend_i32_s", 1, I64),
                ("f64.convert_i32_u", 1, F64),
                ("i32x4.splat", 1, V128),
                ("i8x16.splat", 1, V128),
            ],
            I64 => &[
                ("i64.sub", 2, I64),
                ("i64.mul", 2, I64),
                ("i64.eqz", 1, I32),
                ("i32.wrap_i64", 1, I32),
                ("i64x2.splat", 1, V128),
                ("f64.reinterpret_i64", 1, F64),
            ],
            F32 => &[
                ("f32.add", 2, F32),
                ("f32.neg", 1, F32),
                ("f32.lt", 2, I32),
                ("f64.promote_f32", 1, F64),
                ("f32x4.splat", 1, V128),
            ],
            F64 => &[
                ("f64.mul", 2, F64),
                ("f64.sqrt", 1, F64),
                ("f64.ge", 2, I32),
                ("f32.demote_f64", 1, F32),
                ("f64x2.splat", 1, V128),
            ],
            V128 => &[
                ("i32x4.add", 2, V128),
                ("i64x2.sub", 2, V128),
                ("f32x4.mul", 2, V128),
                ("v128.not", 1, V128),
                ("v128.bitselect", 3, V128),
                (
                    "i8x16.shuffle 0 17 2 19 4 21 6 23 31 30 29 28 3 2 1 0",
                    2,
                    V128,
                ),
                ("v128.any_true", 1, I32),
                ("i64x2.extract_lane 1", 1, I64),
                ("f32x4.extract_lane 3", 1, F32),
                ("f64x2.extract_lane 0", 1, F64),
            ],
            Func => &[("ref.is_null", 1, I32)],
        }
    }
}

/// A list of types in WAT.
pub fn list(keyword: &str, types: &[Ty]) -> String {
    let names: Vec<&str> = types.iter().map(|t| t.name()).collect();
    format!("({keyword} {})", names.join(" "))
}

/// A value of a type.
pub fn default(ty: Ty) -> &'static str {
    match ty {
        I32 => "(i32.const 1)",
        I64 => "(i64.const 2)",
        F32 => "(f32.const 3)",
        F64 => "(f64.const 4)",
        V128 => "(v128.const i32x4 5 6 7 8)",
        Func => "(ref.null func)",
    }
}
