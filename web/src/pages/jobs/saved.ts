import { useSyncExternalStore } from "react";
import { address } from "../../lib/place";
import { Watched } from "../../live/state";

/** A search under a name; kept in this browser. */
export type Saved = { name: string; search: string };
const PLACE = `rota-searches${address("")}`;
const MOST = 50;

function read(): readonly Saved[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(found) ? found.filter((one): one is Saved => typeof one?.name === "string" && typeof one?.search === "string") : [];
  } catch {
    return []; // what is there was not written by these pages, or may not be read
  }
}

const saved = new Watched<readonly Saved[]>(read());
addEventListener("storage", (event) => { if (event.key === PLACE) saved.set(read()); });

function write(next: readonly Saved[]): void {
  saved.set(next);
  try { localStorage.setItem(PLACE, JSON.stringify(next)); } catch { /* full or forbidden: until the page is left */ }
}

export const useSaved = (): readonly Saved[] => useSyncExternalStore(saved.subscribe, saved.get);
export const save = (one: Saved): void => write([...saved.get().filter(({ name }) => name !== one.name), one].slice(-MOST));
export const forget = (name: string): void => write(saved.get().filter((one) => one.name !== name));
