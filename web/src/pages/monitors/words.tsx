import { Link } from "@tanstack/react-router";
import type { AlertOut, MonitorOut } from "../../api/schema";

/** What monitors look for, in two words. */
export const KINDS: Record<string, string> = {
  "no-scheduler": "No scheduler", standstill: "Standstill", lost: "Lost process", "no-worker": "No worker", backlog: "Backlog", late: "Late",
  "never-run": "Never ran", failing: "Failing", silent: "Silent", "too-long": "Too long", "too-short": "Too short", stuck: "Stuck",
  check: "Check", channel: "Channel", canary: "Canary", "*": "Everything",
};
export const kindOf = (kind: string): string => KINDS[kind] ?? kind;
export const PLURALS: Record<string, string> = { schedule: "schedules", queue: "queues", type: "job types", check: "checks", system: "of the service", "*": "monitors" };

/** The state of a monitor as people say it; one that is muted says so, whatever it finds. */
export function stateOf(one: MonitorOut): { status: string; title?: string } {
  if (one.mute) return { status: "muted", title: [one.mute.by && `by ${one.mute.by}`, one.mute.note].filter(Boolean).join(": ") };
  if (one.heldBy) return { status: one.state, title: `Not told: ${one.heldBy}` };
  return { status: one.state };
}

export const alertState = (one: AlertOut): { status: string; label?: string } =>
  !one.open ? { status: "over" } : one.heldBy ? { status: "held" } : { status: one.severity, label: one.severity === "error" ? "Error" : "Warning" };

/** The way to what is watched, in words where there is none. */
export function Subject({ kind, id }: { kind: string; id: string }) {
  if (id === "*") return <>all {PLURALS[kind] ?? kind}</>;
  if (kind === "schedule") return <Link to="/schedules/$id" params={{ id }}>{id}</Link>;
  if (kind === "queue") return <Link to="/queues/$name" params={{ name: id }}>{id}</Link>;
  if (kind === "type") return <Link to="/job-types/$" params={{ _splat: id }}>{id}</Link>;
  if (kind === "check") return <Link to="/checks/$id" params={{ id }}>{id}</Link>;
  if (kind === "job") return <Link to="/jobs/$id" params={{ id }}>{id}</Link>;
  if (kind === "worker") return <Link to="/workers">{id}</Link>;
  return <>the service{id && id !== "service" && id !== "system" ? `: ${id}` : ""}</>;
}

const AT_ONCE = new Set(["lost", "check", "no-scheduler", "channel", "canary"]);
/** What it looks for; the names of limits in it are plain words here. */
export const meaningOf = (one: MonitorOut): string => one.meaning.replaceAll("`", "");
export const times = (n: number): string => (n === 1 ? "once" : n === 2 ? "twice" : `${n} times`);

/** When it tells: "after 30s, 3 and more; 20s of grace". */
export function limitText(one: MonitorOut): string {
  const parts = [one.limit && `after ${one.limit}`, one.count !== null && `${one.count} and more`, one.grace !== "0s" && one.grace && `${one.grace} of grace`];
  return parts.filter(Boolean).join(", ") || (AT_ONCE.has(one.kind) ? "at once" : "as its history says");
}
