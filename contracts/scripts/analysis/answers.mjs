// Slither's findings beside the answers of slither.json.
//
// An answer names its detector and either one `finding`, word for word, or a `pattern` that whole findings match: a class
// with one reason. Numbers of lines are left out, so that an edit elsewhere in a file does not undo an answer; everything
// else is kept, so that one more call or write in an answered function is a new finding.

/** A finding in one line, with files and without numbers of lines. */
export function normalized({ check, impact, confidence, description }) {
  const text = description
    .replace(/\(src\/([\w/.]+)#\d+(-\d+)?\)/g, "($1)")
    .trim()
    .split(/\n\s*/)
    .map((l) => l.trim())
    .join(" ");
  return { check, impact, confidence, text };
}

/** Whether an answer is about a finding. */
export const answers = (answer, { check, text }) =>
  answer.check === check && (answer.pattern ? new RegExp(`^(?:${answer.pattern})$`).test(text) : answer.finding === text);

/** Findings that nothing answers, and all that is wrong, each in a sentence. */
export function judge(found, list) {
  const unanswered = found.filter((f) => !list.some((a) => answers(a, f)));
  const twice = found.filter((f) => list.filter((a) => answers(a, f)).length > 1);
  const idle = list.filter((a) => !found.some((f) => answers(a, f)));
  const mute = list.filter((a) => !a.why);
  const problems = [
    ...unanswered.map((f) => `no answer: ${f.check} (${f.impact}): ${f.text}`),
    ...twice.map((f) => `answered twice: ${f.check}: ${f.text}`),
    ...idle.map((a) => `answers nothing: ${a.check}: ${a.finding ?? a.pattern}`),
    ...mute.map((a) => `no reason: ${a.check}: ${a.finding ?? a.pattern}`),
  ];
  return { unanswered, problems };
}

const IMPACTS = ["High", "Medium", "Low", "Informational", "Optimization"];

/** docs/slither.md: findings by detector, each with its reason. */
export function page(found, list) {
  const checks = [...new Set(found.map((f) => f.check))].map((check) => found.find((f) => f.check === check));
  checks.sort((a, b) => IMPACTS.indexOf(a.impact) - IMPACTS.indexOf(b.impact) || (a.check < b.check ? -1 : 1));
  const rows = checks.map(
    ({ check, impact, confidence }) =>
      `| ${check} | ${impact} | ${confidence} | ${found.filter((f) => f.check === check).length} |`,
  );
  const section = ({ check }) => {
    // Answers of one reason stand together.
    const whys = [...new Set(list.filter((a) => a.check === check).map((a) => a.why))];
    const parts = whys.map((why) => {
      const mine = list.filter((a) => a.check === check && a.why === why);
      const items = mine.map((a) =>
        a.pattern
          ? `- ${found.filter((f) => answers(a, f)).length} of them: \`${a.pattern}\`\n`
          : `- \`${a.finding}\`\n`,
      );
      return `${items.join("")}\n${why}\n`;
    });
    return `## ${check}\n\n${parts.join("\n")}`;
  };
  return `${HEAD}\n${rows.join("\n")}\n\n${checks.map(section).join("\n")}`;
}

const HEAD = `# Slither's findings and their answers

Written by \`node scripts/slither.mjs --write\` in \`contracts/\` from \`contracts/slither.json\`; do not edit. \`make slither\` runs every
detector of Slither over \`contracts/src\` and fails on a finding that has no answer, and on an answer that has no finding. No
detector is left out. Findings stand here without numbers of lines, so that an answer outlives an edit elsewhere.

| detector | impact | confidence | findings |
|---|---|---|--:|`;
