import type { OccurrenceOut, ScheduleOut } from "../../api/schema";
import type { StripCell } from "../../components/Strip";
import { lookOf } from "../../components/status";
import { address } from "../../lib/place";
import { durationText, plural, shortTime } from "../../lib/time";

export const IN_SHADOW = "In the shadow: it only observes, and makes no job until it goes live";

/** The state of a schedule for its badge; one that is paused may be in the shadow as well. */
export function stateOf(one: ScheduleOut): { status: string; label?: string; title?: string } {
  if (one.paused) {
    return { status: "paused", title: [one.pausedBy ? `Paused by ${one.pausedBy}` : "Paused", one.pausedNote, one.resumeAt && `until ${shortTime(one.resumeAt)}`].filter(Boolean).join(" · ") };
  }
  if (one.shadow) return { status: "shadow", title: IN_SHADOW };
  return one.nextAt === null ? { status: "stopped", label: "Ended" } : { status: "active" };
}

/** What became of an instant: the state of its job where it made one that is known, else its fate. */
export const fateOf = (one: OccurrenceOut): string => (one.disposition === "skipped" && one.reason?.startsWith("shadow") ? "observed" : one.jobStatus && one.disposition !== "caughtUp" ? one.jobStatus : one.jobStatus === "failed" ? "failed" : one.disposition);

/** When it was due; of a range its beginning. */
export const dueOf = (one: OccurrenceOut): string => one.scheduledFor ?? one.from ?? one.decidedAt;

/** An occurrence in words: "Skipped · Nov 21, 09:00 · job … runs". */
export function fateText(one: OccurrenceOut): string {
  const many = one.from && one.to ? `${shortTime(one.from)} – ${shortTime(one.to)}${one.count === null ? "" : `, ${plural(one.count, "instant")}`}` : shortTime(dueOf(one));
  const ran = one.jobStatus ? lookOf(one.jobStatus).word : null;
  const fate = lookOf(fateOf(one) === "observed" ? "observed" : one.disposition).word;
  return [ran && one.disposition === "fired" ? ran : ran ? `${fate}, ${ran.toLowerCase()}` : fate, many, one.durationMs != null && durationText(one.durationMs), one.reason].filter(Boolean).join(" · ");
}

/** The cells of a strip, the latest at the right. */
export const cellsOf = (occurrences: readonly OccurrenceOut[]): StripCell[] => [...occurrences].reverse().map((one) => ({
  key: dueOf(one), status: fateOf(one), at: dueOf(one), text: fateText(one),
  ...(one.durationMs != null ? { ms: one.durationMs } : {}),
  ...(one.jobId && one.jobStatus ? { href: address(`/jobs/${one.jobId}`) } : {}),
}));

const LATE_MS = 60_000;

/** How many of the last runs began within a minute of when they were due; null while nothing is known of it. */
export function onTime(occurrences: readonly OccurrenceOut[]): { of: number; good: number } | null {
  const due = occurrences.filter((one) => one.scheduledFor && (one.disposition === "missed" || (one.disposition === "fired" && one.startedAt) || one.disposition === "caughtUp"));
  if (due.length === 0) return null;
  const good = due.filter((one) => one.disposition === "fired" && one.startedAt && Date.parse(one.startedAt) - Date.parse(dueOf(one)) <= LATE_MS);
  return { of: due.length, good: good.length };
}
