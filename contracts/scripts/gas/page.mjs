// docs/gas.md, rendered.
import { ARITIES, BASE, BATCHES, BLOB_GAS, BLOCK_LIMITS, ELEMENTS, POOL_BYTES, REACH, TX_LIMIT, costs } from "./measured.mjs";

const n = (x) => Math.round(x).toLocaleString("en-US");
const percent = (part, whole) => `${Math.round((100 * part) / whole)} %`;
const COLUMNS = "no floor | floor 40 (today) | floor 64 | execution | calldata bytes";
const head = (first, columns) => `| ${first} | ${columns} |\n|${"---|".repeat(columns.split("|").length + 1)}\n`;
const cells = (c) => [c.none, c.today, c.planned, c.execution, c.bytes].map(n).join(" | ");
const row = (name, c) => `| ${name} | ${cells(c)} |\n`;
const table = (first, rows) => head(first, COLUMNS) + rows.map(([name, c]) => row(name, c)).join("");

/** "kept" or by how much it is missed. */
const verdict = (value, reach) =>
  value <= reach ? `${n(value)}: kept` : `${n(value)}: **missed by ${n(value - reach)}** (${percent(value - reach, reach)})`;

/** Which limits of a chain a transaction exceeds at today's price, in words. */
function exceeds(c) {
  const over = [];
  if (c.bytes > POOL_BYTES) over.push("go-ethereum's pool (128 KiB a transaction)");
  if (c.today > TX_LIMIT) over.push(`the ${n(TX_LIMIT)} gas that EIP-7825 allows a transaction`);
  const blocks = BLOCK_LIMITS.filter((limit) => c.today > limit);
  if (blocks.length) over.push(`a block of ${blocks.map((b) => `${b / 1e6}M`).join(" and of ")}`);
  const fits = BLOCK_LIMITS.find((limit) => c.today <= limit);
  const room = fits ? `it fits a block of ${fits / 1e6}M` : "it fits none of these blocks";
  return over.length ? `exceeds ${over.join(", ")}; ${room}` : "within every limit";
}

const intro = `<!-- Written by contracts/scripts/gas.mjs; do not edit. \`npm run gas\` in contracts/ measures again. -->

# What the contracts cost

Gas of whole transactions, measured in forge (\`contracts/test/gas\`, \`contracts/snapshots/gas_*.json\`); \`make lint\` measures them again and compares. Each is sent with every
account and slot cold, as between transactions; refunds are taken off as EIP-3529 allows. Three prices:

- *no floor*: 21,000, calldata at 4 gas a zero byte and 16 another, and execution.
- *floor 40*: that, or 21,000 and calldata at 10 and 40, where it is more ([EIP-7623](https://eips.ethereum.org/EIPS/eip-7623), in force).
- *floor 64*: that, or 21,000 and 64 for every byte alike, where it is more ([EIP-7976](https://eips.ethereum.org/EIPS/eip-7976), a draft).

*Execution* is without the 21,000 and calldata. Blob gas, which has a price of its own, stands beside it. Limits that are named below: ${n(TX_LIMIT)} gas a transaction
([EIP-7825](https://eips.ethereum.org/EIPS/eip-7825)), blocks of ${BLOCK_LIMITS.map((b) => `${b / 1e6}M`).join(", ")}, and 128 KiB of data, which go-ethereum's pool takes in a transaction
(\`txMaxSize\` of [core/txpool/legacypool](https://github.com/ethereum/go-ethereum/blob/master/core/txpool/legacypool/legacypool.go)).
`;

function reaches(m) {
  const result = (BASE + m.batches[100].execution) / 100;
  const whole = m.disputes[32].whole.today;
  return `## Reaches

| what | reach | measured |
|---|---|---|
| a result beyond its own calldata, in a batch of 100 | ${n(REACH.result)} | ${verdict(result, REACH.result)} |
| a whole dispute at k = 32 | ${n(REACH.dispute)} | ${verdict(whole, REACH.dispute)} |

The tests hold both. What each consists of stands below.
`;
}

function answers(m) {
  const names = ["request", "finalize", "callback"];
  const split = names.map((name) => {
    const [c, s] = [costs(m.answers[name]), m.answersSplit[name]];
    const rest = c.execution - s.storage - s.events;
    return `| ${name} | ${[BASE, c.calldata, s.storage, s.events, rest].map(n).join(" | ")} |\n`;
  });
  return `## One request

A prompt of 256 bytes, an answer of 64 tokens with 256 bytes of text, 32 bytes of user data. Everybody has done it before: no account's first credit is paid for here (17,100 more).
The request is the inbox's part of a dApp's transaction. The consumer does nothing with what it is told: the callback is the rollup's own part, and what a consumer stores adds to it.

${table("transaction", names.map((name) => [name, costs(m.answers[name])]))}
| of it | base | calldata | storage | events | the rest |
|---|---|---|---|---|---|
${split.join("")}`;
}

function batches(m) {
  const rows = BATCHES.map((count) => [`${n(count)} result${count === 1 ? "" : "s"}`, m.batches[count]]);
  const each = BATCHES.map((count) => {
    const c = m.batches[count];
    const per = [(BASE + c.execution) / count, c.none / count, c.today / count, c.planned / count, c.bytes / count];
    return `| ${n(count)} | ${per.map(n).join(" | ")} | ${exceeds(c)} |\n`;
  });
  return `## A batch

One executor's segment, neither the chain's first nor its own, of answers as above to requests that a dApp made on chain.

${table("batch of", rows)}
| results | each, beyond calldata | each, no floor | each, floor 40 | each, floor 64 | bytes each | the transaction |
|---|---|---|---|---|---|---|
${each.join("")}
${parts(m)}`;
}

function parts(m) {
  const c = m.batches[100];
  const { storage, events } = m.batchSplit;
  const [request, output] = [costs(m.result["request posted"]), costs(m.result["output posted"])];
  const hash = m.result["hash of the request"].execution;
  const price = m.result["price of its work"].execution;
  const beyond = (BASE + c.execution) / 100;
  const rest = beyond - BASE / 100 - storage / 100 - events / 100 - hash - price;
  const floor = (p) => 64 * p.bytes;
  const lines = [
    ["storage (the request's slot, written cold; the segment's share)", storage / 100],
    ["events (the output, 8 gas a byte)", events / 100],
    ["hash of the request struct (as a call of \`Inbox.idOf\`)", hash],
    ["price of its work (as a call of \`Rollup.leastFee\`)", price],
    ["the transaction's 21,000, a hundredth", BASE / 100],
    ["the rest: decoding and copying, the output's hash, the inbox's own code, the tree", rest],
  ];
  return `What one of 100 results costs beyond its calldata, ${n(beyond)}:

| part | gas | share |
|---|---|---|
${lines.map(([name, gas]) => `| ${name} | ${n(gas)} | ${percent(gas, beyond)} |\n`).join("")}
Posting the request struct again is ${n(request.bytes)} of its ${n(c.bytes / 100)} bytes: ${n(request.calldata)} gas of ${n(c.calldata / 100)} for calldata without a floor, and with its hash ${n(request.calldata + hash)}
or ${percent(request.calldata + hash, c.none / 100)} of the result. Under the floor of 64 it is ${n(floor(request))} of ${n(c.planned / 100)} (${percent(floor(request), c.planned / 100)}); the output, ${n(output.bytes)} bytes, is ${n(floor(output))}.
`;
}

/** Batches whose outputs are in blobs. */
function blobBatches(m) {
  const { elements } = m.blobBatches[1];
  const each = BATCHES.map((count) => {
    const { cost: c, blobs } = m.blobBatches[count];
    const gas = BLOB_GAS * blobs;
    const per = [(BASE + c.execution) / count, c.none / count, c.today / count, c.planned / count, c.bytes / count, gas / count];
    return `| ${n(count)} | ${per.map(n).join(" | ")} | ${n(gas)} (${blobs}) | ${exceeds(c)} |\n`;
  });
  const saved = m.batches[100].none - m.blobBatches[100].cost.none;
  return `## A batch with its outputs in blobs

As above (\`BlobRollup.postBlobBatch\`), but to requests without a consumer: others need the bytes on chain. One segment a blob, so what an executor has ready within
\`--blob-wait-ms\` shares one, and an answer alone pays for all of it (first row). An output's kind and count are in calldata; the rest of it
fills ${n(elements)} of a blob's ${n(ELEMENTS)} elements, so a full blob holds ${n(Math.floor(ELEMENTS / elements))} of them and an output's share of it is ${n((BLOB_GAS * elements) / ELEMENTS)} blob gas. The last column but one is the
blob gas of the whole transaction, and its blobs.

| results | each, beyond calldata | each, no floor | each, floor 40 | each, floor 64 | bytes each | each, blob gas | blob gas (blobs) | the transaction |
|---|---|---|---|---|---|---|---|---|
${each.join("")}
At 100 results a result costs ${n(saved / 100)} gas less than with its output in calldata, and ${n((BLOB_GAS * m.blobBatches[100].blobs) / 100)} blob gas. Most of what is left is the request, posted again.
`;
}

function moves(m) {
  const rows = ARITIES.map((k) => {
    const list = m.disputes[k].moves;
    const dearest = list.reduce((a, b) => (b.today > a.today ? b : a));
    const [least, most] = [Math.min(...list.map((c) => c.today)), dearest.today];
    return { k, list, dearest, least, most };
  });
  const blob = m.blobs.moves.reduce((a, b) => (b.today > a.today ? b : a));
  const range = rows.map((r) => `| ${r.k} | ${r.list.length} | ${n(r.least)} | ${n(r.most)} | ${exceeds(r.dearest)} |\n`);
  return `## Moves

A trace of 2^50 steps. The dearest move at each arity; 4096 is the largest that the game can be deployed with. The last move is shorter where log2 k does not divide 50.

${table("k", [...rows.map((r) => [r.k, r.dearest]), ["4096, in a blob", blob]])}
| k | moves | cheapest, floor 40 | dearest, floor 40 | the dearest |
|---|---|---|---|---|
${range.join("")}
Where a deployment posts roots in blobs (EIP-4844), a move carries one, ${n(BLOB_GAS)} of blob gas beside the figures above, and opens two elements of the blob that it answers at 50,000 gas each; the first move opens none. Its
gas does not depend on k.
`;
}

function endings(m) {
  const { median, dearest } = m.step;
  const game = m.disputes[32];
  return `## Opening and ending

At k = 32. The games in forge are over a toy machine. A proof's figure is the measured transaction, with a witness of the real step's length and no zero byte in it (so never too cheap), the
toy's own step taken off and the real one's execution put in: \`OneStepProver\` by \`tests/snapshots/osp_gas_opcodes.txt\`, ${m.step.count} opcodes and immediate forms, each at its dearest. The median is that of \`${median.name}\`
(${n(median.execution)} gas, ${n(median.witness)} bytes), the dearest \`${dearest.name}\` (${n(dearest.execution)} gas, ${n(dearest.witness)} bytes).

${table("transaction", [
    ["open", game.open],
    ["open, the output in one element of a blob", m.blobOpen["one element"]],
    ["open, the output in 4 KiB of a blob (133 elements)", m.blobOpen["4 KiB"]],
    ["proof of the median step, the challenger wins", game.proof],
    ["proof of the dearest step, the challenger wins", costs(m.ending["proof of the dearest step"])],
    ["proof of the median step, the executor wins (k = 16)", m.disputes[16].proof],
    ["timeout of the executor", costs(m.ending["executor out of time"])],
    ["timeout of the challenger", costs(m.ending["challenger out of time"])],
  ])}
An output in a blob is opened element by element, at 50,000 gas each and what is around it. Whoever opens is repaid that like any gas: out of a quarter of the claim's bond, where the claim is lost.
`;
}

function disputes(m) {
  const rows = ARITIES.map((k) => {
    const { moves: list, whole } = m.disputes[k];
    return [`${k}: ${list.length} moves, then the ${list.length % 2 ? "executor" : "challenger"} proves`, whole];
  });
  rows.push([`4096 in blobs: as above, and ${n(BLOB_GAS * m.blobs.moves.length)} blob gas`, m.blobs.whole]);
  return `## A whole dispute

Open, every move, and the proof of the median step, summed. Who is to prove tells the truth, so with an odd number of moves the challenger lies; an executor's proof is the cheaper, as nothing is slashed.

${table("k", rows)}
${split(m)}`;
}

/** Where the gas of a dispute at k = 32 goes. */
function split(m) {
  const game = m.disputes[32];
  const even = game.moves.filter((_, i) => i % 2 === 1);
  const odd = game.moves.filter((_, i) => i % 2 === 0);
  const named = Object.entries(m.disputeSplit);
  const of = (pick) => named.filter(([name]) => pick(name)).map(([, s]) => s);
  const number = (name) => Number(name.split(" ")[1]);
  const lines = [
    ["open", [game.open], of((x) => x === "open"), 0],
    ["the challenger's moves", odd, of((x) => number(x) % 2 === 1), 0],
    ["the executor's moves", even, of((x) => number(x) % 2 === 0), 0],
    ["proof", [game.proof], of((x) => x === "proof"), m.step.median.execution],
  ].map(([name, txs, splits, step]) => {
    const add = (list, f) => list.reduce((a, x) => a + f(x), 0);
    const [storage, events] = [add(splits, (s) => s.storage), add(splits, (s) => s.events)];
    const rest = add(txs, (c) => c.execution) - storage - events - step;
    return { name: `${name} (${txs.length})`, parts: [BASE * txs.length, add(txs, (c) => c.calldata), storage, events, step, rest] };
  });
  const total = lines[0].parts.map((_, i) => lines.reduce((a, l) => a + l.parts[i], 0));
  const line = ({ name, parts: p }) => `| ${name} | ${[...p, p.reduce((a, b) => a + b)].map(n).join(" | ")} |\n`;
  return `Where it goes at k = 32 (no floor binds there today):

| transactions | base | calldata | storage | events | the step | the rest | together |
|---|---|---|---|---|---|---|---|
${[...lines, { name: "all", parts: total }].map(line).join("")}`;
}

/** The page over what \`measured\` has read. */
export function page(m) {
  return [intro, reaches(m), answers(m), batches(m), blobBatches(m), moves(m), endings(m), disputes(m)].join("\n");
}
