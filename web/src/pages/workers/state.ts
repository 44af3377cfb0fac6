import type { Sleeping, WorkerOut } from "../../api/schema";

/** Whether its lease has run out: what it held goes to others. */
export const isGone = (one: WorkerOut, now = Date.now()): boolean => one.state === "stopped" || Date.parse(one.leaseUntil) < now;

/** The state for its badge; a process that is not heard of is lost, whatever it said last. */
export const stateOf = (one: WorkerOut): string => (one.state !== "stopped" && isGone(one) ? "lost" : one.state === "running" ? "alive" : one.state);

const SLEEP_WORDS: Record<Sleeping["reason"], string> = {
  empty: "nothing waits",
  full: "the queue is full",
  "worker-full": "this worker is full",
  "keys-full": "every key is at its cap",
  "rate-limited": "the rate limit is reached",
  slowed: "a target asked for a pause",
  paused: "paused",
  contended: "another worker was quicker",
};
export const sleepText = (sleeping: Sleeping): string => SLEEP_WORDS[sleeping.reason] ?? sleeping.reason;
