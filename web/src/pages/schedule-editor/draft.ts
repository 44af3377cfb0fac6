import type { ScheduleIn, ScheduleOut } from "../../api/schema";
import { exactValue, jsonText } from "../../lib/exact";
import { viewerZone } from "../../lib/time";
import { FIRST, ruleOf, whenOf, type When } from "./when";

/** What a schedule runs, as the form holds it. */
export type What = "type" | "command" | "http" | "other";
export type Draft = {
  id: string;
  what: What;
  jobType: string;
  shell: string;
  method: string;
  url: string;
  /** Targets that have no form, as JSON. */
  target: string;
  args: string;
  when: When;
  timezone: string;
  more: More;
};
/** Texts of the fields that are seldom said; empty means the default. */
export type More = Record<(typeof MORE)[number], string>;
export const MORE = ["overlap", "catchup", "queue", "priority", "timeout", "maxAttempts", "jitter", "startAt", "endAt", "pauseAfter", "calendars", "tags", "note"] as const;
const LISTS = new Set(["calendars", "tags"]);
const NUMBERS = new Set(["maxAttempts", "pauseAfter"]);

/** Fields of a schedule that the form does not show, and that an edit keeps. */
const KEPT = ["afterRun", "catchupWindow", "concurrencyKey", "dayMatch", "expiresIn", "maxRuns", "onLost", "onStart", "orderKey", "retry", "runOn", "seconds", "silence", "paused"] as const;

const none = Object.fromEntries(MORE.map((field) => [field, ""])) as More;

export const newDraft = (jobType: string): Draft => ({
  id: "", what: jobType ? "type" : "command", jobType, shell: "", method: "POST", url: "", target: "", args: "", when: FIRST, timezone: viewerZone, more: none,
});

/** The form of a schedule that is there. */
export function draftOf(one: ScheduleOut): Draft {
  const target = one.target as Record<string, unknown> | null;
  const more = Object.fromEntries(MORE.map((field) => [field, textOf(one[field])])) as More;
  const args = one.args === null || jsonText(one.args) === "{}" ? "" : jsonText(one.args);
  return { ...newDraft(""), ...whatOf(one.jobType, target), id: one.id, args, when: whenOf(one), timezone: one.timezone, more };
}

function whatOf(jobType: string | null, target: Record<string, unknown> | null): Partial<Draft> {
  const only = (...fields: string[]) => target !== null && Object.keys(target).every((field) => ["kind", ...fields].includes(field));
  if (target === null) return { what: "type", jobType: jobType ?? "" };
  if (target["kind"] === "command" && typeof target["shell"] === "string" && only("shell")) return { what: "command", shell: target["shell"] };
  if (target["kind"] === "http" && typeof target["url"] === "string" && only("url", "method")) return { what: "http", url: target["url"], method: String(target["method"] ?? "POST") };
  return { what: "other", target: jsonText(target) };
}

const textOf = (value: unknown): string => (value === null || value === undefined ? "" : Array.isArray(value) ? value.join(", ") : String(value));

/** What is sent; `kept` is the schedule that is edited. */
export function bodyOf(draft: Draft, kept?: ScheduleOut): ScheduleIn {
  const body: Record<string, unknown> = { ...ruleOf(draft.when), timezone: draft.timezone || null };
  if (kept) for (const field of KEPT) if (kept[field] !== null) body[field] = kept[field];
  if (draft.what === "type") body["jobType"] = draft.jobType;
  else {
    if (kept?.jobType) body["jobType"] = kept.jobType;
    body["target"] = targetOf(draft);
  }
  if (draft.args.trim()) body["args"] = exact(draft.args);
  for (const field of MORE) {
    const text = draft.more[field].trim();
    if (!text) continue;
    body[field] = LISTS.has(field) ? text.split(",").map((one) => one.trim()).filter(Boolean) : NUMBERS.has(field) || (field === "priority" && /^-?\d+$/.test(text)) ? Number(text) : text;
  }
  return body as ScheduleIn;
}

/** The target of a form, null where it is a job type's. */
export function targetOf(draft: Draft): ScheduleIn["target"] {
  if (draft.what === "command") return { kind: "command", shell: draft.shell } as never;
  if (draft.what === "http") return { kind: "http", url: draft.url.trim(), method: draft.method } as never;
  return draft.what === "other" ? (exact(draft.target) as never) : null;
}

/** JSON of a text; what is none goes as it is, so that the service says what is wrong. */
function exact(text: string): unknown {
  try { return exactValue(text); } catch { return text; }
}
