//! Writes function bodies at random: the types on the operand stack are kept, so what it writes is valid.

use super::types::{F32, F64, Func, I32, I64, Ty, V128, default, list};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What a branch to a label carries, and whether it goes back.
#[derive(Clone)]
struct Label {
    types: Vec<Ty>,
    back: bool,
}

pub struct Signature {
    pub params: Vec<Ty>,
    pub results: Vec<Ty>,
}

pub struct Generator {
    rng: StdRng,
    out: String,
    stack: Vec<Ty>,
    labels: Vec<Label>,
    locals: Vec<Ty>,
    pub signatures: Vec<Signature>,
    /// Statements that may still be written in this function.
    budget: u32,
}

const FUEL: &str = "(global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))";

impl Generator {
    /// Knows the types of `n` functions.
    pub fn new(seed: u64, n: usize) -> Generator {
        let mut g = Generator {
            rng: StdRng::seed_from_u64(seed),
            out: String::new(),
            stack: Vec::new(),
            labels: Vec::new(),
            locals: Vec::new(),
            signatures: Vec::new(),
            budget: 0,
        };
        for _ in 0..n {
            let (params, results) = (g.types(5), g.types(3));
            g.signatures.push(Signature { params, results });
        }
        g
    }

    /// The functions, `$f0` and so on.
    pub fn functions(mut self) -> String {
        (0..self.signatures.len()).for_each(|i| self.function(i));
        self.out
    }

    fn below(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n)
    }

    fn ty(&mut self) -> Ty {
        Ty::ALL[self.below(Ty::ALL.len())]
    }

    fn types(&mut self, most: usize) -> Vec<Ty> {
        (0..self.below(most + 1)).map(|_| self.ty()).collect()
    }

    fn write(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// Pushes some value of type `ty`.
    fn push(&mut self, ty: Ty) {
        let from: Vec<usize> = (0..self.locals.len())
            .filter(|&i| self.locals[i] == ty)
            .collect();
        let text = match ty {
            _ if !from.is_empty() && self.below(3) > 0 => {
                format!("local.get {}", from[self.below(from.len())])
            }
            _ if self.below(5) == 0 => format!("global.get ${}", ty.name()),
            I32 | I64 => format!("{}.const {}", ty.name(), self.rng.random::<i16>()),
            F32 | F64 => format!("{}.const {}.5", ty.name(), self.rng.random::<i16>()),
            V128 if self.below(2) == 0 => {
                "(v128.load64_zero (i32.and (global.get $at) (i32.const 0xff8)))".to_owned()
            }
            V128 => format!("v128.const i64x2 {} -7", self.rng.random::<i32>()),
            Func if self.below(2) == 0 => "ref.null func".to_owned(),
            Func => format!("ref.func $f{}", self.below(self.signatures.len())),
        };
        self.write(&text);
        self.stack.push(ty);
    }

    fn push_all(&mut self, types: &[Ty]) {
        types.iter().for_each(|ty| self.push(*ty));
    }

    /// Makes the stack above `height` hold exactly `types`.
    fn shape(&mut self, height: usize, types: &[Ty]) {
        while self.stack.len() > height && self.stack[height..] != *types {
            self.write("drop");
            self.stack.pop();
        }
        if self.stack[height..] != *types {
            self.push_all(types);
        }
    }

    /// Writes statements, then leaves `results` above `height`; if control never gets there, says so.
    fn body(&mut self, height: usize, results: &[Ty]) {
        while self.budget > 0 && self.below(12) > 0 {
            self.budget -= 1;
            if self.below(14) == 0 && self.leave() {
                self.dead_code();
                self.stack.truncate(height);
                return self.stack.extend(results);
            }
            self.statement(height);
        }
        self.shape(height, results);
    }

    fn statement(&mut self, height: usize) {
        let free = self.stack.len() - height;
        match self.below(10) {
            0 => self.block(free),
            1 => self.call(),
            2 => self.branch_if(),
            3 | 4 if free > 0 => self.set(),
            5 if free > 0 => self.keep(),
            6 => {
                let ty = self.ty();
                self.push_all(&[ty, ty, I32]);
                let annotation = if ty == Func { "(result funcref)" } else { "" };
                self.write(&format!("select {annotation}"));
                self.stack.truncate(self.stack.len() - 2);
            }
            7 | 8 if free > 0 => self.operate(height),
            _ => {
                let ty = self.ty();
                self.push(ty);
            }
        }
    }

    /// Applies an operator to the top of the stack, with more operands of the same type where it takes them.
    fn operate(&mut self, height: usize) {
        let ty = self.stack[self.stack.len() - 1];
        let operators = ty.operators();
        let (name, operands, result) = operators[self.below(operators.len())];
        let same = self.stack[height..]
            .iter()
            .rev()
            .take_while(|t| **t == ty)
            .count();
        (same..operands).for_each(|_| self.push(ty));
        self.write(name);
        self.stack.truncate(self.stack.len() - operands);
        self.stack.push(result);
    }

    fn set(&mut self) {
        let ty = self.stack[self.stack.len() - 1];
        let Some(local) = self.locals.iter().position(|t| *t == ty) else {
            return;
        };
        match self.below(3) {
            0 => self.write(&format!("local.tee {local}")),
            1 => {
                self.write(&format!("global.set ${}", ty.name()));
                self.stack.pop();
            }
            _ => {
                self.write(&format!("local.set {local}"));
                self.stack.pop();
            }
        }
    }

    fn keep(&mut self) {
        if let Some(ty) = self.stack.pop() {
            self.write(&format!("call $keep_{}", ty.name()));
        }
    }

    fn block(&mut self, free: usize) {
        let taken = self.below(free.min(3) + 1);
        let height = self.stack.len() - taken;
        let params = self.stack[height..].to_vec();
        let results = self.types(3);
        let ty = format!("{} {}", list("param", &params), list("result", &results));
        let kind = self.below(3);
        let label = |types: &[Ty], back| Label {
            types: types.to_vec(),
            back,
        };
        match kind {
            0 => {
                self.write(&format!("block {ty}"));
                self.labels.push(label(&results, false));
                self.body(height, &results);
            }
            1 => {
                self.write(&format!("loop {ty} {FUEL}"));
                self.labels.push(label(&params, true));
                self.body(height, &results);
            }
            _ => {
                self.push(I32);
                self.stack.pop();
                let condition = if self.below(2) == 0 { "i32.eqz" } else { "" };
                self.write(&format!("{condition} if {ty}"));
                self.labels.push(label(&results, false));
                self.body(height, &results);
                self.write("else");
                self.stack.truncate(height);
                self.stack.extend(&params);
                self.body(height, &results);
            }
        }
        self.labels.pop();
        self.write("end");
    }

    /// A conditional branch; backwards only while there is fuel.
    fn branch_if(&mut self) {
        let depth = self.below(self.labels.len());
        let Label { types, back } = self.labels[self.labels.len() - 1 - depth].clone();
        self.push_all(&types);
        self.push(I32);
        self.stack.pop();
        if back {
            self.write("(i32.gt_s (global.get $fuel) (i32.const 0)) i32.and");
        }
        self.write(&format!("br_if {depth}"));
    }

    /// Leaves the block for good: a branch forwards, of a table or not, or a return. False if it finds none.
    fn leave(&mut self) -> bool {
        let depth = self.below(self.labels.len());
        let Label { types, back } = self.labels[self.labels.len() - 1 - depth].clone();
        if back {
            return false;
        }
        self.push_all(&types);
        let alike: Vec<String> = (0..self.labels.len())
            .filter(|d| {
                let label = &self.labels[self.labels.len() - 1 - d];
                !label.back && label.types == types
            })
            .map(|d| d.to_string())
            .collect();
        if self.below(2) == 0 {
            self.push(I32);
            let targets = format!("{} {depth}", alike.join(" "));
            self.write(&format!("(i32.and (i32.const 3)) br_table {targets}"));
        } else if depth + 1 == self.labels.len() {
            self.write("return");
        } else {
            self.write(&format!("br {depth}"));
        }
        true
    }

    fn dead_code(&mut self) {
        let code = [
            "",
            "i32.add drop",
            "loop (result v128) unreachable v128.not br 0 end drop",
            "call $keep_v128 (if (i32.const 1) (then unreachable) (else nop))",
            "select i32.eqz drop",
        ];
        let text = code[self.below(code.len())];
        self.write(text);
        // What is left above the block's results would not be valid.
        self.write("unreachable");
    }

    fn call(&mut self) {
        let f = self.below(self.signatures.len());
        let (params, results) = (
            self.signatures[f].params.clone(),
            self.signatures[f].results.clone(),
        );
        self.push_all(&params);
        if self.below(2) == 0 {
            self.write(&format!("call $f{f}"));
        } else {
            // As a constant, or as a number that is computed.
            let zero = if self.below(2) == 0 {
                ""
            } else {
                "(i32.and (global.get $fuel) (i32.const 0)) i32.add"
            };
            self.write(&format!("i32.const {f} {zero} call_indirect (type $t{f})"));
        }
        self.stack.truncate(self.stack.len() - params.len());
        self.stack.extend(results);
    }

    fn function(&mut self, index: usize) {
        let params = self.signatures[index].params.clone();
        let results = self.signatures[index].results.clone();
        let others = self.types(5);
        self.write(&format!(
            "(func $f{index} (type $t{index}) {}",
            list("local", &others)
        ));
        self.locals = [params, others].concat();
        self.labels = vec![Label {
            types: results.clone(),
            back: false,
        }];
        self.stack.clear();
        self.budget = 60;
        let defaults: String = results.iter().map(|t| default(*t)).collect();
        self.write(&format!(
            "{FUEL} (if (i32.lt_s (global.get $fuel) (i32.const 0)) (then {defaults} return))"
        ));
        self.body(0, &results);
        self.write(")");
    }
}
