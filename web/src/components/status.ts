import type { IconName } from "./Icon";

/** The look of every state that the service names: tone (colours in theme.css), icon, and word. */
export type Tone = "good" | "bad" | "busy" | "wait" | "later" | "warn" | "off";
export type StateLook = { tone: Tone; icon: IconName; word: string };

const LOOKS: Record<string, StateLook> = {
  // jobs
  scheduled: { tone: "later", icon: "clock", word: "Scheduled" },
  pending: { tone: "wait", icon: "hourglass", word: "Pending" },
  running: { tone: "busy", icon: "play", word: "Running" },
  completed: { tone: "good", icon: "check", word: "Completed" },
  failed: { tone: "bad", icon: "cross", word: "Failed" },
  cancelled: { tone: "off", icon: "stop", word: "Cancelled" },
  retrying: { tone: "warn", icon: "retry", word: "Retrying" },
  // occurrences
  fired: { tone: "good", icon: "check", word: "Fired" },
  caughtUp: { tone: "later", icon: "history", word: "Caught up" },
  skipped: { tone: "off", icon: "skip", word: "Skipped" },
  paused: { tone: "warn", icon: "pause", word: "Paused" },
  blackout: { tone: "off", icon: "moon", word: "Blackout" },
  coalesced: { tone: "off", icon: "skip", word: "Coalesced" },
  observed: { tone: "later", icon: "eye", word: "Would have run" },
  missed: { tone: "bad", icon: "warning", word: "Missed" },
  // attempts, processes, systems
  lost: { tone: "bad", icon: "warning", word: "Lost" },
  snoozed: { tone: "later", icon: "clock", word: "Snoozed" },
  healthy: { tone: "good", icon: "check", word: "Healthy" },
  unhealthy: { tone: "bad", icon: "warning", word: "Not well" },
  unreachable: { tone: "bad", icon: "error", word: "Out of reach" },
  shadow: { tone: "later", icon: "eye", word: "Shadow" },
  active: { tone: "good", icon: "play", word: "Active" },
  alive: { tone: "good", icon: "check", word: "Alive" },
  starting: { tone: "wait", icon: "hourglass", word: "Starting" },
  stopping: { tone: "warn", icon: "hourglass", word: "Stopping" },
  draining: { tone: "warn", icon: "hourglass", word: "Draining" },
  stopped: { tone: "off", icon: "stop", word: "Stopped" },
  sleeping: { tone: "wait", icon: "moon", word: "Sleeping" },
  // monitors, alerts, checks, channels
  ok: { tone: "good", icon: "check", word: "OK" },
  open: { tone: "bad", icon: "bell", word: "Open" },
  over: { tone: "off", icon: "check", word: "Over" },
  held: { tone: "warn", icon: "bell", word: "Held back" },
  muted: { tone: "later", icon: "moon", word: "Muted" },
  off: { tone: "off", icon: "stop", word: "Off" },
  new: { tone: "wait", icon: "hourglass", word: "New" },
  up: { tone: "good", icon: "check", word: "Up" },
  down: { tone: "bad", icon: "error", word: "Down" },
  started: { tone: "busy", icon: "play", word: "Running" },
  working: { tone: "good", icon: "check", word: "Working" },
  failing: { tone: "bad", icon: "error", word: "Failing" },
  unproven: { tone: "wait", icon: "info", word: "Nothing sent yet" },
  sent: { tone: "good", icon: "check", word: "Sent" },
  dropped: { tone: "off", icon: "stop", word: "Given up" },
  success: { tone: "good", icon: "check", word: "Success" },
  fail: { tone: "bad", icon: "cross", word: "Failure" },
  start: { tone: "busy", icon: "play", word: "Start" },
  log: { tone: "wait", icon: "info", word: "Message" },
  late: { tone: "bad", icon: "warning", word: "Late" },
  error: { tone: "bad", icon: "error", word: "Error" },
  warning: { tone: "warn", icon: "warning", word: "Warning" },
};

export const lookOf = (state: string): StateLook =>
  LOOKS[state] ?? { tone: "wait", icon: "info", word: state.charAt(0).toUpperCase() + state.slice(1) };

export const toneColor = (tone: Tone): string => `var(--${tone})`;
