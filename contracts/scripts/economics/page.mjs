// docs/economics.md and docs/parameters.md: their prose stands in the files; the tables between the markers are written here.
import { computing, table as parameterTable } from "./facts.mjs";
import { stuffedBlocks } from "./laws.mjs";
import { challengerBond, leastFee, workCost, batchCap, directCap } from "./money.mjs";
import { attacks, typical } from "./simulate.mjs";

/** Wei as ether with three significant digits, without an exponent. */
export function ether(wei) {
  const value = Number(wei) / 1e18;
  if (Math.abs(value) < 1e-7) return "0";
  const digits = 2 - Math.floor(Math.log10(Math.abs(value)));
  const text = value.toFixed(Math.min(Math.max(digits, 0), 20));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : Number(Number(value).toPrecision(3)).toLocaleString("en");
}

const gwei = (wei) => `${Number((Number(wei) / 1e9).toPrecision(3))} gwei`;
const days = (seconds) => (seconds === 86_400n ? "1 day" : `${Number((Number(seconds) / 86_400).toFixed(1))} days`);
const hours = (seconds) => `${Number((Number(seconds) / 3_600).toPrecision(3))} h`;

function table(all) {
  const name = { l1: "`l1`", l2: "`l2`" };
  const head = ["attack", ...all.flatMap(({ d }) => ["attacker", "defenders", "burned"].map((w) => `${name[d.name]} ${w}`)), "what bounds the defenders' cost"];
  const rows = attacks.map((attack, i) => {
    const cells = all.flatMap(({ results }) => {
      const { attacker, defender, burned, perHour, bound } = results[i];
      const most = defender > 0n ? `${ether(defender)} of at most ${ether(bound)}` : ether(defender);
      return [ether(attacker) + (perHour === null ? "" : ` (${ether(perHour)} an hour)`), most, ether(burned)];
    });
    return [attack.name, ...cells, attack.why];
  });
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** The other figures, a row each. */
function figures(all) {
  const { gameRate, shortestGame } = computing();
  const rows = {
    "base fee and tip of the table": ({ a }) => `${gwei(a.baseFee)}, ${gwei(a.tip)}`,
    "data fee of the table, a byte": ({ a }) => (a.dataFeePerByte ? gwei(a.dataFeePerByte) : "none beside gas"),
    "claim's bond; challenger's bond": ({ p }) => `${ether(p.claimBond)}; ${ether(challengerBond(p))} ETH`,
    "gas price up to which the challenger's bond pays the executor's whole game": ({ p, moves, tx }) =>
      gwei(challengerBond(p) / 2n / (moves * tx.move.counted + tx.timeoutByExecutor.counted)),
    "gas price up to which the pool pays two challengers whole": ({ p, moves, tx }) =>
      gwei(p.claimBond / 8n / (tx.open.counted + moves * tx.move.counted + tx.prove.counted)),
    "the same, for the longest question": ({ p, moves, tx }) =>
      gwei(p.claimBond / 8n / (tx.openLongest.counted + moves * tx.move.counted + tx.prove.counted)),
    "final at the latest, if disputed": ({ p }) => days(p.window + 2n * p.allowance),
    "a bond locked for a window could have earned": ({ p, a }) =>
      `${ether((p.claimBond * p.window * a.capitalPermille) / (1000n * 365n * 86_400n))} ETH`,
    "least fee: of 1.17 GB x 400, of the largest question": ({ p }) =>
      `${ether(leastFee(p, 468_000_000_000n))}; ${ether(leastFee(p, p.maxWork))} ETH`,
    "dearest burn of the largest question: by batch, directly": ({ p }) =>
      [batchCap(p), directCap(p)].map((cap) => ether(workCost(p, cap, cap - p.maxWork, p.maxWork))).join("; ") + " ETH",
    "re-checking a full window, 10^10 work a second": ({ p, computing: c }) => hours(p.workPerWindow / c.checkRate),
    "computing 100 games of the largest question, and a window of disputed lies": ({ p, a }) =>
      `${hours((a.gamesAtOnce * p.maxWork) / gameRate)}, ${hours(p.workPerWindow / gameRate)}`,
    "claims of dust that keep one watchtower busy for half a window, and their bonds": ({ p }) => {
      const claims = BigInt(Math.floor(Number(p.window) / 2 / shortestGame));
      return `${claims.toLocaleString("en")}, ${ether(claims * p.claimBond)} ETH`;
    },
    "keeping blocks full until all ether is burned": ({ a }) =>
      a.blockGas ? `${Math.round((stuffedBlocks(a) * Number(a.blockSeconds)) / 60)} minutes` : "its sequencer can leave out what it likes",
    "every transaction of a challenger forced in": ({ a, moves }) =>
      a.forcedInclusion ? `${hours((moves + 1n) * a.forcedInclusion)} and an outage of ${hours(a.outage)}` : "not needed",
  };
  const of = (d) => ({ ...d, moves: (d.p.traceLog2 + d.p.arityLog2 - 1n) / d.p.arityLog2 / 2n });
  const head = `| figure | ${all.map(({ d }) => `\`${d.name}\``).join(" | ")} |\n|---|---|---|`;
  return [head, ...Object.entries(rows).map(([name, value]) => `| ${[name, ...all.map(({ d }) => value(of(d)))].join(" | ")} |`)].join("\n");
}

/** An amount of a parameter's unit, as a reader says it. */
function amount(unit, value) {
  const n = Number(value);
  if (unit === "seconds") return n % 43_200 === 0 ? days(BigInt(value)) : `${n} s`;
  if (unit === "wei") return `${ether(value)} ETH`;
  if (unit.startsWith("wei")) return gwei(value);
  return unit.startsWith("bytes") ? n.toExponential().replace(/e\+(\d+)/, " x 10^$1").replace(/^1 x /, "") : String(value);
}

/** All parameters of docs/parameters.json, a row each. */
function parameters() {
  const { columns, arguments: why } = parameterTable();
  const head = ["parameter", "of", "unit", ...Object.keys(columns).map((n) => `\`${n}\``), "why"];
  const named = Object.entries(columns.l1).flatMap(([contract, group]) => Object.keys(group).map((key) => [contract, key]));
  const rows = named.map(([contract, key]) => {
    const [unit, reason] = why[key];
    return [`\`${key}\``, contract, unit, ...Object.values(columns).map((c) => amount(unit, c[contract][key])), reason];
  });
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** `text` of a page with `parts` between their markers. */
function written(file, text, parts) {
  for (const [name, part] of Object.entries(parts)) {
    const [begin, end] = [`<!-- ${name}: written by contracts/scripts/economics.mjs; do not edit -->`, `<!-- end of ${name} -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`${file}: no place for ${name}`);
    text = `${text.slice(0, from + begin.length)}\n\n${part}\n\n${text.slice(to)}`;
  }
  return text;
}

export function economicsPage(text, deployments) {
  const all = deployments.map((d) => ({ d, results: typical(d) }));
  return written("docs/economics.md", text, { table: table(all), figures: figures(all) });
}

export const parametersPage = (text) => written("docs/parameters.md", text, { parameters: parameters() });
