import { useSyncExternalStore } from "react";

/** One clock for all relative times of the page: it ticks once a second while somebody looks. */
const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function tick(): void {
  now = Date.now();
  for (const tell of listeners) tell();
}

function subscribe(tell: () => void): () => void {
  listeners.add(tell);
  timer ??= setInterval(() => { if (!document.hidden) tick(); }, 1000);
  return () => {
    listeners.delete(tell);
    if (listeners.size === 0) { clearInterval(timer); timer = undefined; }
  };
}

/** The time in milliseconds, again each second; `stepMs` makes it coarser, so that fewer renders happen. */
export const useNow = (stepMs = 1000): number => useSyncExternalStore(subscribe, () => Math.floor(now / stepMs) * stepMs);
