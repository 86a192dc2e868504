// The functions that mutation sites call: each computes what was there, or one of its mutants if `block.number` names it.

/** Mutations of binary operators: what they become, on (a, b) or on (b, a). */
const BINARY = {
  "+": ["a - b"],
  "-": ["a + b", "b - a"],
  "*": ["a + b"],
  "/": ["a * b", "b / a"],
  "%": ["a / b", "b % a"],
  "&": ["a | b"],
  "|": ["a & b"],
  "^": ["a & b"],
  "<<": ["a >> b", "b << a"],
  ">>": ["a << b", "b >> a"],
  "<": ["a <= b", "b < a"],
  "<=": ["a < b", "b <= a"],
  ">": ["a >= b", "b > a"],
  ">=": ["a > b", "b >= a"],
  "==": ["a != b"],
  "!=": ["a == b"],
};

const COMPARISONS = new Set(["<", "<=", ">", ">=", "==", "!="]);

export const isComparison = (op) => COMPARISONS.has(op);

/** What `a op b` becomes; operands of a shift only change places where they have one type. */
export function mutationsOf(op, type) {
  const all = BINARY[op] ?? [];
  return all.filter((m) => !((op === "<<" || op === ">>") && m.startsWith("b") && type !== "uint256"));
}

const NAMES = {
  "+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod", "&": "and", "|": "or", "^": "xor",
  "<<": "shl", ">>": "shr", "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne",
};

const wrap = (type, value) => (type === "bytes32" ? `bytes32(uint256(n) + ${value})` : `n + ${value}`);

/** A helper by what it does: its name, and its text. */
export const helper = {
  binary(op, type, unchecked) {
    const name = `mu_${NAMES[op]}_${type}${unchecked ? "" : "_checked"}`;
    const right = op === "<<" || op === ">>" ? "uint256" : type;
    const result = isComparison(op) ? "bool" : type;
    const cases = mutationsOf(op, type).map((m, i) => `if (k == ${i}) return ${m};`);
    const body = [...cases, `return a ${op} b;`].join(" ");
    const text = `function ${name}(uint256 id, ${type} a, ${right} b) view returns (${result}) {
    uint256 k; unchecked { k = block.number - id; } ${unchecked ? `unchecked { ${body} }` : body} }`;
    return { name, text };
  },
  constant(type, step) {
    const name = `mu_${step === 1 ? "more" : "less"}_${type}`;
    const other = step === 1 ? wrap(type, "1") : "n - 1";
    return { name, text: `function ${name}(uint256 id, ${type} n) view returns (${type}) {
    unchecked { return block.number == id ? ${other} : n; } }` };
  },
  unary(op, type) {
    const name = `mu_${op === "~" ? "not" : "neg"}_${type}`;
    return { name, text: `function ${name}(uint256 id, ${type} a) view returns (${type}) {
    unchecked { return block.number == id ? a : ${op}a; } }` };
  },
  cast(type) {
    const name = `mu_cast_${type}`;
    return { name, text: `function ${name}(uint256 id, uint256 a) view returns (uint256) {
    return block.number == id ? a : uint256(${type}(a)); }` };
  },
  pick(type) {
    const name = `mu_pick_${type}`;
    return { name, text: `function ${name}(uint256 id, ${type} a, ${type} b) view returns (${type}) {
    return block.number == id ? b : a; }` };
  },
  selected() {
    return { name: "mu_on", text: "function mu_on(uint256 id) view returns (bool) { return block.number == id; }" };
  },
};

/** Mutations of calls in assembly. */
const ASSEMBLY = {
  add: ["sub(a, b)"],
  sub: ["add(a, b)", "sub(b, a)"],
  mul: ["add(a, b)"],
  div: ["mul(a, b)", "div(b, a)"],
  and: ["or(a, b)"],
  or: ["and(a, b)"],
  xor: ["and(a, b)"],
  shl: ["shr(a, b)", "shl(b, a)"],
  shr: ["shl(a, b)", "shr(b, a)"],
  lt: ["iszero(gt(a, b))", "lt(b, a)"],
  gt: ["iszero(lt(a, b))", "gt(b, a)"],
  eq: ["iszero(eq(a, b))"],
  byte: ["byte(b, a)"],
  not: ["a"],
  iszero: ["iszero(iszero(a))"],
};

export const assemblyMutations = (name) => ASSEMBLY[name] ?? [];

/** The function that a call of `name` in assembly becomes. */
export function assemblyHelper(name) {
  // Names that no Solidity function around it has for a variable.
  const own = (text) => text.replace(/\b[ab]\b/g, "mu_$&");
  const operands = own(["not", "iszero"].includes(name) ? "a" : "a, b");
  const cases = ASSEMBLY[name].map((m, i) => `case ${i} { mu_r := ${own(m)} }`).join(" ");
  const body = `switch sub(number(), mu_id) ${cases} default { mu_r := ${name}(${operands}) }`;
  return `function mu_${name}(mu_id, ${operands}) -> mu_r { ${body} }`;
}

/** A source unit with the helpers. */
export const library = (helpers) =>
  `// SPDX-License-Identifier: MIT OR Apache-2.0\npragma solidity 0.8.37;\n${[...helpers.values()].join("\n")}\n`;
