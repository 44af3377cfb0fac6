import { useLayoutEffect } from "react";
import { Watched } from "../live/state";
import type { IconName } from "../components/Icon";

/** Something that the palette offers, and a key may start. */
export type PaletteAction = {
  id: string;
  title: string;
  group: string;
  icon?: IconName;
  hint?: string;
  /** A single key, when nothing is typed into: shown by `?`. */
  shortcut?: string;
  run: () => void;
};

export const actions = new Watched<readonly PaletteAction[]>([]);
/** Asked with what was typed; found things appear below the actions. */
export type PaletteSearch = (text: string, signal: AbortSignal) => Promise<PaletteAction[]>;
export const searches = new Set<PaletteSearch>();

/** Offer actions while the page is shown; `list` must be stable (useMemo). */
export function usePaletteActions(list: readonly PaletteAction[]): void {
  useLayoutEffect(() => { // a key works as soon as its button is seen
    actions.set([...actions.get(), ...list]);
    return () => actions.set(actions.get().filter((one) => !list.includes(one)));
  }, [list]);
}

/** Offer an action until it is withdrawn by what this gives; of the same id the last counts. */
export function offer(action: PaletteAction): () => void {
  actions.set([...actions.get().filter((one) => one.id !== action.id), action]);
  return () => actions.set(actions.get().filter((one) => one !== action));
}

/** What takes the last thing back, by the key `z` too. */
export const undoAction = (title: string, run: () => void): PaletteAction => ({ id: "undo", title, group: "Undo", icon: "history", shortcut: "z", run });
