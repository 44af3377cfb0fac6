import { useSyncExternalStore } from "react";

/** A value outside React that components can watch. */
export class Watched<T> {
  private listeners = new Set<() => void>();
  private current: T;

  constructor(first: T) { this.current = first; }

  get = (): T => this.current;

  set(next: T): void {
    if (Object.is(next, this.current)) return;
    this.current = next;
    for (const tell of this.listeners) tell();
  }

  subscribe = (tell: () => void): (() => void) => {
    this.listeners.add(tell);
    return () => this.listeners.delete(tell);
  };
}

export const useWatched = <T>(watched: Watched<T>): T => useSyncExternalStore(watched.subscribe, watched.get);

/** `live`: changes come as they happen; `polling`: asked each 5 s; `broken`: nothing comes, what is shown is old. */
export type Connection = { state: "connecting" | "live" | "polling" | "broken"; since: number };
export const connection = new Watched<Connection>({ state: "connecting", since: Date.now() });

class AccountedTo extends Watched<string | null> {
  /** Every answer says it; the latest counts. */
  saw(at: string): void {
    const known = this.get();
    if (known === null || at > known) this.set(at);
  }
}
/** Up to when every due instant is accounted for. */
export const accountedTo = new AccountedTo(null);

/** What the service says of itself; null until it was heard. */
export const health = new Watched<{ status: string; problems: string[] } | null>(null);
