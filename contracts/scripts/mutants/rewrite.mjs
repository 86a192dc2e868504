// Finds the mutation sites of syntax trees and writes sources in which they are helpers' calls.
import { assemblyHelper, assemblyMutations, helper, mutationsOf } from "./helpers.mjs";
import { isMutated } from "./sources.mjs";

/** The first mutant's number: all of them take three bytes, which nothing else in the code looks like. */
const FIRST = 0xa00000;
const VALUE = /^(u?int\d+|bytes32)$/;

const range = (node) => node.src.split(":").slice(0, 2).map(Number);

/** Nodes right under `node`, in the order of the text. */
function children(node) {
  const out = [];
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child && typeof child === "object" && child.nodeType && child.src) out.push(child);
    }
  }
  return out.sort((a, b) => range(a)[0] - range(b)[0]);
}

/** Types of a function type's parameters. */
function parameters(text) {
  const open = text.indexOf("(");
  const out = [""];
  for (let i = open + 1, depth = 0; i < text.length; ++i) {
    const c = text[i];
    if (c === ")" && depth === 0) break;
    depth += c === "(" ? 1 : c === ")" ? -1 : 0;
    if (c === "," && depth === 0) out.push("");
    else out[out.length - 1] += c;
  }
  return out;
}

/** Walks one file's tree and writes its text anew. */
class Writer {
  constructor(path, text, constants, place) {
    this.path = path;
    this.bytes = Buffer.from(text);
    this.constants = constants;
    // Asked at each site for its number; none leaves it as it is.
    this.place = place;
    this.helpers = new Map();
  }

  source(node) {
    const [start, length] = range(node);
    return this.bytes.subarray(start, start + length).toString();
  }

  /** The text of `node` with `texts` in place of the nodes that are its keys. */
  splice(node, texts) {
    const [start, length] = range(node);
    let at = start;
    let out = "";
    for (const [child, text] of [...texts].sort((a, b) => range(a[0])[0] - range(b[0])[0])) {
      const [from, size] = range(child);
      if (from < at || from + size > start + length) continue;
      out += this.bytes.subarray(at, from).toString() + text;
      at = from + size;
    }
    return out + this.bytes.subarray(at, start + length).toString();
  }

  use({ name, text }) {
    this.helpers.set(name, text);
    return name;
  }

  /** Number of the site of `kind` at `node`, if it is to be rewritten; `mutants` are the texts it may become. */
  site(node, kind, mutants, env) {
    if (!mutants.length) return undefined;
    const [start] = range(node);
    const id = this.place({
      key: `${this.path}:${node.src}:${kind}`,
      file: this.path,
      line: this.bytes.subarray(0, start).toString().split("\n").length,
      unit: env.unit,
      mutations: mutants.map((mutant) => ({ original: this.source(node), mutant })),
    });
    return id === undefined ? undefined : `0x${id.toString(16)}`;
  }

  generic(node, env) {
    return this.splice(node, children(node).map((c) => [c, this.render(c, env)]));
  }

  render(node, env) {
    const method = this[`on${node.nodeType}`];
    return method ? method.call(this, node, env) : this.generic(node, env);
  }

  // Declarations: only what functions do is mutated.
  onVariableDeclaration(node) {
    return this.source(node);
  }
  onStructDefinition(node) {
    return this.source(node);
  }
  onUsingForDirective(node) {
    return this.source(node);
  }
  onFunctionDefinition(node) {
    if (!node.body) return this.source(node);
    const returns = node.returnParameters.parameters.map((p) => p.typeDescriptions.typeString);
    const env = { unit: node.name || node.kind, returns, unchecked: false };
    return this.splice(node, [[node.body, this.render(node.body, env)]]);
  }

  // Statements that say which type their expressions have.
  onUncheckedBlock(node, env) {
    return this.generic(node, { ...env, unchecked: true });
  }
  onReturn(node, env) {
    if (!node.expression) return this.source(node);
    return this.splice(node, [[node.expression, this.render(node.expression, { ...env, want: env.returns })]]);
  }
  onVariableDeclarationStatement(node, env) {
    if (!node.initialValue) return this.source(node);
    const want = node.declarations.map((d) => d?.typeDescriptions.typeString);
    return this.splice(node, [[node.initialValue, this.render(node.initialValue, { ...env, want })]]);
  }
  onIfStatement(node, env) {
    return this.withCondition(node, env);
  }
  onForStatement(node, env) {
    return this.withCondition(node, env);
  }
  onWhileStatement(node, env) {
    return this.withCondition(node, env);
  }

  /** Conditions that are no operator may be the opposite. */
  withCondition(node, env) {
    const texts = children(node).map((c) => [c, c === node.condition ? this.condition(c, env) : this.render(c, env)]);
    return this.splice(node, texts);
  }
  condition(node, env) {
    const text = this.render(node, { ...env, want: ["bool"] });
    const plain = node.nodeType === "Identifier" || node.nodeType === "FunctionCall" || node.nodeType === "MemberAccess";
    const id = plain && this.site(node, "condition", [`!${this.source(node)}`], env);
    return id ? `(${text}) != ${this.use(helper.selected())}(${id})` : text;
  }

  onTupleExpression(node, env) {
    const wants = node.components.length > 1 ? node.components.map((_, i) => [env.want?.[i]]) : [env.want];
    return this.splice(
      node,
      node.components.flatMap((c, i) => (c ? [[c, this.render(c, { ...env, want: wants[i] })]] : [])),
    );
  }

  onConditional(node, env) {
    const { condition, trueExpression, falseExpression } = node;
    return this.splice(node, [
      [condition, this.condition(condition, env)],
      [trueExpression, this.render(trueExpression, env)],
      [falseExpression, this.render(falseExpression, env)],
    ]);
  }

  onAssignment(node, env) {
    const type = node.leftHandSide.typeDescriptions.typeString;
    const value = (want) => this.render(node.rightHandSide, { ...env, want: [want] });
    if (node.operator === "=") {
      const want = type.startsWith("tuple(") ? parameters(type) : [type];
      return this.splice(node, [[node.rightHandSide, this.render(node.rightHandSide, { ...env, want })]]);
    }
    const op = node.operator.slice(0, -1);
    const right = value(op === "<<" || op === ">>" ? "uint256" : type);
    const left = this.source(node.leftHandSide);
    const source = this.source(node.rightHandSide);
    const mutants = VALUE.test(type) ? mutationsOf(op, type).map((m) => `${left} = ${this.worded(m, left, source)}`) : [];
    const id = this.site(node, "assignment", mutants, env);
    if (!id) return this.splice(node, [[node.rightHandSide, right]]);
    return `${left} = ${this.use(helper.binary(op, type, env.unchecked))}(${id}, ${left}, ${right})`;
  }

  /** A mutation's text with the operands' own. */
  worded(mutation, left, right) {
    return mutation.replace(/\b[ab]\b/g, (v) => (v === "a" ? left : right));
  }

  onBinaryOperation(node, env) {
    const { operator: op, leftExpression: l, rightExpression: r } = node;
    const result = node.typeDescriptions.typeString;
    if (/^(int|rational)_const/.test(result)) return this.number(node, env);
    if (op === "&&" || op === "||") return this.junction(node, env);
    const shift = op === "<<" || op === ">>";
    const type = shift ? result : node.commonType.typeString;
    const left = this.render(l, { ...env, want: [type] });
    const right = this.render(r, { ...env, want: [shift ? "uint256" : type] });
    const known = VALUE.test(type) || (type === "bool" && (op === "==" || op === "!="));
    const mutants = known ? mutationsOf(op, type).map((m) => this.worded(m, this.source(l), this.source(r))) : [];
    const id = this.site(node, "operator", mutants, env);
    if (!id) return this.splice(node, [[l, left], [r, right]]);
    return `${this.use(helper.binary(op, type, env.unchecked))}(${id}, ${left}, ${right})`;
  }

  /** `&&` and `||` still stop early: by De Morgan each is the other between negations. */
  junction(node, env) {
    const { operator: op, leftExpression: l, rightExpression: r } = node;
    const left = this.condition(l, env);
    const right = this.condition(r, env);
    const other = op === "&&" ? "||" : "&&";
    const id = this.site(node, "junction", [`${this.source(l)} ${other} ${this.source(r)}`], env);
    if (!id) return this.splice(node, [[l, `(${left})`], [r, `(${right})`]]);
    const on = `${this.use(helper.selected())}(${id})`;
    return `(((${left}) != ${on} ${op} (${right}) != ${on}) != ${on})`;
  }

  onUnaryOperation(node, env) {
    const { operator: op, subExpression: sub } = node;
    const type = node.typeDescriptions.typeString;
    if (/^int_const/.test(type)) return this.number(node, env);
    if (op === "++" || op === "--") {
      const name = this.source(sub);
      const [from, to] = op === "++" ? ["+", "-"] : ["-", "+"];
      const id = this.site(node, "step", VALUE.test(type) ? [`${name} = ${name} ${to} 1`] : [], env);
      return id ? `(${name} = ${this.use(helper.binary(from, type, env.unchecked))}(${id}, ${name}, 1))` : this.source(node);
    }
    const inner = this.render(sub, env);
    const id = this.site(node, "unary", op === "!" || VALUE.test(type) ? [this.source(sub)] : [], env);
    if (!id) return this.splice(node, [[sub, inner]]);
    if (op === "!") return `((${inner}) == ${this.use(helper.selected())}(${id}))`;
    return `${this.use(helper.unary(op, type))}(${id}, ${inner})`;
  }

  /** A number as it is written, one more in the mutant. */
  number(node, env) {
    const type = VALUE.test(env.want?.[0] ?? "") ? env.want[0] : "uint256";
    const id = this.site(node, "number", [`${this.source(node)} + 1`], env);
    return id ? `${this.use(helper.constant(type, 1))}(${id}, ${this.source(node)})` : this.source(node);
  }
  onLiteral(node, env) {
    return node.kind === "number" ? this.number(node, env) : this.source(node);
  }

  /** A declared constant where it is used. */
  named(node, env) {
    const type = node.typeDescriptions.typeString;
    const constant = this.constants.has(node.referencedDeclaration) && VALUE.test(type);
    const id = constant && this.site(node, "constant", [`${this.source(node)} + 1`], env);
    return id ? `${this.use(helper.constant(type, 1))}(${id}, ${this.source(node)})` : undefined;
  }
  onIdentifier(node, env) {
    return this.named(node, env) ?? this.source(node);
  }
  onMemberAccess(node, env) {
    const named = this.named(node, env);
    if (named) return named;
    const type = node.typeDescriptions.typeString;
    if (node.memberName === "max" && /^uint\d+$/.test(type)) {
      const id = this.site(node, "number", [`${this.source(node)} - 1`], env);
      return id ? `${this.use(helper.constant(type, -1))}(${id}, ${this.source(node)})` : this.source(node);
    }
    return this.splice(node, [[node.expression, this.render(node.expression, { ...env, want: undefined })]]);
  }

  onIndexAccess(node, env) {
    const index = node.indexExpression;
    return this.splice(node, [
      [node.baseExpression, this.render(node.baseExpression, { ...env, want: undefined })],
      ...(index ? [[index, this.render(index, { ...env, want: ["uint256"] })]] : []),
    ]);
  }

  onFunctionCall(node, env) {
    if (node.kind === "typeConversion") return this.conversion(node, env);
    const types = parameters(node.expression.typeDescriptions.typeString);
    const args = node.arguments;
    const skip = types.length - args.length;
    const texts = args.map((arg, i) => this.render(arg, { ...env, want: [types[i + skip]] }));
    const callee = this.render(node.expression, { ...env, want: undefined });
    this.exchange(node, texts, env);
    return this.splice(node, [[node.expression, callee], ...args.map((arg, i) => [arg, texts[i]])]);
  }

  /** The first two neighbours of one type among a call's arguments may change places. */
  exchange(node, texts, env) {
    const args = node.arguments;
    const type = (arg) => arg.typeDescriptions.typeString;
    const plain = (arg) => arg.nodeType === "Identifier" && !this.constants.has(arg.referencedDeclaration);
    const same = (a, b) => plain(a) && plain(b) && type(a) === type(b) && this.source(a) !== this.source(b);
    const i = args.findIndex((arg, n) => n > 0 && same(args[n - 1], arg) && VALUE.test(type(arg))) - 1;
    if (i < 0) return;
    const [a, b] = [this.source(args[i]), this.source(args[i + 1])];
    const id = this.site(node, "arguments", [this.splice(node, [[args[i], b], [args[i + 1], a]])], env);
    if (!id) return;
    const pick = this.use(helper.pick(type(args[i])));
    texts[i] = `${pick}(${id}, ${a}, ${b})`;
    texts[i + 1] = `${pick}(${id}, ${b}, ${a})`;
  }

  /** A truncation may be left out where a word may stand. */
  conversion(node, env) {
    const [arg] = node.arguments;
    const to = node.typeDescriptions.typeString;
    const number = /^int_const/.test(arg.typeDescriptions.typeString);
    const want = to === "address" ? undefined : [number && /^int/.test(to) ? to : "uint256"];
    const inner = this.render(arg, { ...env, want: arg.nodeType === "FunctionCall" ? undefined : want });
    const drops = /^uint\d+$/.test(to) && to !== "uint256" && env.want?.[0] === "uint256";
    const wide = arg.typeDescriptions.typeString === "uint256";
    const id = drops && wide && this.site(node, "truncation", [this.source(arg)], env);
    return id ? `${this.use(helper.cast(to))}(${id}, ${inner})` : this.splice(node, [[arg, inner]]);
  }

  // Assembly.
  onInlineAssembly(node, env) {
    const used = new Set();
    const constants = new Set(
      node.externalReferences.filter((r) => this.constants.has(r.declaration)).map((r) => r.src),
    );
    const text = this.render(node.AST, { ...env, assembly: { used, constants } });
    const functions = [...used].map(assemblyHelper).join(" ");
    return this.splice(node, [[node.AST, text.replace("{", `{ ${functions}`)]]);
  }
  onYulVariableDeclaration(node, env) {
    return node.value ? this.splice(node, [[node.value, this.render(node.value, env)]]) : this.source(node);
  }
  onYulAssignment(node, env) {
    return this.splice(node, [[node.value, this.render(node.value, env)]]);
  }
  onYulCase(node, env) {
    return this.splice(node, [[node.body, this.render(node.body, env)]]);
  }
  onYulLiteral(node, env) {
    return this.yulNumber(node, env);
  }
  onYulIdentifier(node, env) {
    return env.assembly.constants.has(node.src) ? this.yulNumber(node, env) : this.source(node);
  }
  yulNumber(node, env) {
    const id = this.site(node, "number", [`${this.source(node)} + 1`], env);
    return id ? `add(${this.source(node)}, eq(number(), ${id}))` : this.source(node);
  }
  onYulFunctionCall(node, env) {
    const name = node.functionName.name;
    const args = node.arguments.map((arg) => [arg, this.render(arg, env)]);
    const [a, b] = node.arguments.map((arg) => this.source(arg));
    const id = this.site(node, "operator", assemblyMutations(name).map((m) => this.worded(m, a, b)), env);
    if (!id) return this.splice(node, args);
    env.assembly.used.add(name);
    return `mu_${name}(${[id, ...args.map(([, text]) => text)].join(", ")})`;
  }
}

/** Ids of declared constants. */
function constantsOf(asts) {
  const out = new Set();
  const walk = (node) => {
    if (node.nodeType === "VariableDeclaration" && node.constant) out.add(node.id);
    children(node).forEach(walk);
  };
  [...asts.values()].forEach(walk);
  return out;
}

const writers = (originals, asts, place) => {
  const constants = constantsOf(asts);
  const paths = [...originals.keys()].filter(isMutated);
  return paths.map((path) => [path, new Writer(path, originals.get(path), constants, place)]);
};

/** All sites, numbered: `{ id, key, file, line, unit, mutations }`. A site's mutants have the numbers from `id` on. */
export function sitesOf(originals, asts) {
  const sites = [];
  let id = FIRST;
  const place = (site) => {
    sites.push({ id, ...site });
    id += site.mutations.length;
    return undefined;
  };
  for (const [path, writer] of writers(originals, asts, place)) writer.render(asts.get(path), {});
  if (new Set(sites.map((s) => s.key)).size !== sites.length) throw new Error("two sites are one");
  return sites;
}

/** The sources with the sites of `active` rewritten, and the helpers that they call. */
export function rewrite(originals, asts, sites, active) {
  const byKey = new Map(sites.map((s) => [s.key, s]));
  const helpers = new Map();
  const place = ({ key }) => (active.has(byKey.get(key)) ? byKey.get(key).id : undefined);
  const texts = new Map(originals);
  for (const [path, writer] of writers(originals, asts, place)) {
    // The tree's own range begins at its first token, after the licence.
    const [start] = range(asts.get(path));
    const head = writer.bytes.subarray(0, start).toString();
    texts.set(path, head + writer.render(asts.get(path), {}));
    writer.helpers.forEach((text, name) => helpers.set(name, text));
  }
  for (const [path, text] of texts) {
    const view = text.replace(/\bpure\b/g, "view");
    texts.set(path, isMutated(path) ? view.replace(/^pragma .*$/m, '$&\nimport "Mutants.sol";') : view);
  }
  return { texts, helpers };
}

/**
 * Whether a contract tries the mutants of a file that it is made of. The harnesses of lanes leave the libraries to those of
 * numbers, which answer many times faster.
 */
const tries = (contract, path) => !/^Vector\w*Harness$/.test(contract) || path.startsWith("src/step/StepVector");

/** The contracts that can be deployed, and the files whose mutants each of them tries. */
export function contractsOf(asts) {
  const byPath = new Map(
    [...asts].map(([path, ast]) => [path, ast.nodes.filter((n) => n.nodeType === "ImportDirective").map((n) => n.absolutePath)]),
  );
  const reach = (path, seen = new Set()) => {
    if (!seen.has(path)) {
      seen.add(path);
      byPath.get(path).forEach((p) => reach(p, seen));
    }
    return seen;
  };
  return [...asts].flatMap(([path, ast]) =>
    ast.nodes
      .filter((n) => n.nodeType === "ContractDefinition" && n.contractKind === "contract" && !n.abstract)
      .map((n) => ({ name: n.name, path, files: new Set([...reach(path)].filter((f) => tries(n.name, f))) })),
  );
}
