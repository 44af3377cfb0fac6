import type { FilterIn } from "../../api/schema";
import type { FilterField } from "../../components/FilterBar";
import type { Filters } from "../../components/filters";
import { lookOf } from "../../components/status";
import { parseSpan } from "../../lib/time";

const STATUSES = ["scheduled", "pending", "running", "completed", "failed", "cancelled"];
const SPANS = [["15m", "Last 15 minutes"], ["1h", "Last hour"], ["24h", "Last 24 hours"], ["7d", "Last 7 days"]] as const;

/** What the API can narrow by; `args.*` are values of arguments by their paths. */
export const FIELDS: readonly FilterField[] = [
  { key: "status", title: "Status", options: STATUSES.map((value) => ({ value, label: lookOf(value).word })) },
  { key: "since", title: "Since", options: SPANS.map(([value, label]) => ({ value, label })) },
  { key: "until", title: "Until" },
  { key: "frequent", title: "Schedules", options: [{ value: "hide", label: "Hide what runs every minute" }] },
  { key: "type", title: "Type" },
  { key: "queue", title: "Queue" },
  { key: "schedule", title: "Schedule" },
  { key: "tag", title: "Tag" },
  { key: "startedBy", title: "Started by" },
  { key: "batch", title: "Batch" },
  { key: "concurrencyKey", title: "Key" },
  { key: "label", title: "Label" },
  { key: "args.*", title: "Arguments" },
];
const KEYS = new Set(["q", ...FIELDS.map((field) => field.key)]);
const STEP_MS = 60_000;

/** "1h" as the instant an hour ago, on a full minute so that the question stays the same for a while. */
function instantOf(text: string): string {
  const span = parseSpan(text);
  return span === null ? text : new Date(Math.floor((Date.now() - span) / STEP_MS) * STEP_MS).toISOString();
}

/** The filters of an address as the API takes them; what it does not know stays out. */
export function asked(filters: Filters): Filters {
  const known = Object.entries(filters).filter(([key, value]) => value !== "" && (KEYS.has(key) || key.startsWith("args.")));
  return Object.fromEntries(known.map(([key, value]) => [key, key === "since" || key === "until" ? instantOf(value) : value]));
}

/** The same for actions on all jobs that match. */
export function filterIn(filters: Filters): FilterIn {
  const args: Record<string, string> = {};
  const found: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(asked(filters))) {
    if (key.startsWith("args.")) args[key.slice("args.".length)] = value;
    else found[key] = value;
  }
  return { ...found, ...(Object.keys(args).length ? { args } : {}) } as FilterIn;
}
