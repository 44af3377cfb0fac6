import type { QueueOut } from "../../api/schema";
import { countText, shortTime } from "../../lib/time";

const MOST_COUNTED = 10_000;

/** A count of a queue; the service counts no further than this. */
export const depthText = (count: number): string => (count >= MOST_COUNTED ? `${countText(MOST_COUNTED)}+` : countText(count));

/** The limits of a queue in words: "5 at once, 100 each 1m, 1 per key". */
export function limitsText(queue: QueueOut): string {
  return [
    queue.concurrency !== null && `${queue.concurrency} at once`,
    queue.workerConcurrency !== null && `${queue.workerConcurrency} per worker`,
    queue.keyConcurrency !== null && `${queue.keyConcurrency} per key`,
    ...queue.rateLimits.map((rate) => `${rate.limit} each ${rate.per}${rate.scope === "key" ? " per key" : ""}`),
  ].filter(Boolean).join(", ");
}

/** The state of a queue for its badge. */
export function stateOf(queue: QueueOut): { status: string; label?: string; title?: string } {
  if (queue.paused) {
    const who = queue.pausedBy ? `by ${queue.pausedBy}` : "";
    return { status: "paused", title: [`Paused ${who}`.trim(), queue.pausedNote, queue.resumeAt && `until ${shortTime(queue.resumeAt)}`].filter(Boolean).join(" · ") };
  }
  if (queue.slowedUntil && Date.parse(queue.slowedUntil) > Date.now()) {
    return { status: "warning", label: "Slowed", title: `${queue.slowedBy ?? "A target"} asked for a pause until ${shortTime(queue.slowedUntil)}` };
  }
  return { status: "active" };
}
