/**
 * JSON whose numbers keep their digits: an integer of twenty digits in the arguments of a job is shown as it is.
 * Where the browser can (JSON.rawJSON), such numbers become objects that JSON.stringify writes digit by digit.
 */
type Source = { source?: string };
type ExactJson = { rawJSON?: (text: string) => unknown; isRawJSON?: (value: unknown) => boolean };
const json = JSON as unknown as ExactJson;

/** Members that hold what users gave or got; everywhere else a number is one. */
const KEPT = new Set(["args", "result", "checkpoint", "target", "schedule", "before", "after", "defaults", "argsSchema"]);
const PERHAPS_INEXACT = /\d{16}|\d\.\d*0[,\]}\s]|\d[eE][+-]?\d|-0[,\]}\s]/;

export function parseExact(text: string): unknown {
  const plain: unknown = JSON.parse(text);
  if (!json.rawJSON || !PERHAPS_INEXACT.test(text)) return plain;
  const exact: unknown = JSON.parse(text, ((_: string, value: unknown, context?: Source) =>
    typeof value === "number" && context?.source !== undefined && String(value) !== context.source
      ? json.rawJSON?.(context.source)
      : value) as (key: string, value: unknown) => unknown);
  return graft(plain, exact);
}

/** One value that a person typed, with every digit of its numbers; throws where it is no JSON. */
export function exactValue(text: string): unknown {
  JSON.parse(text);
  return (parseExact(`{"args":${text}}`) as { args: unknown }).args;
}

function graft(plain: unknown, exact: unknown): unknown {
  if (plain === null || typeof plain !== "object" || exact === null || typeof exact !== "object") return plain;
  for (const key of Object.keys(plain)) {
    const into = plain as Record<string, unknown>;
    const from = (exact as Record<string, unknown>)[key];
    into[key] = KEPT.has(key) ? from : graft(into[key], from);
  }
  return plain;
}

export const isExactNumber = (value: unknown): boolean => json.isRawJSON?.(value) ?? false;

/** The text of a value, with every digit. */
export const jsonText = (value: unknown, indent = 2): string => JSON.stringify(value, null, indent) ?? "";
