import type { ComponentType } from "react";
import { Watched } from "../live/state";

/** Dialogs and toasts, once they are loaded: a first visit to the overview is drawn without them. */
export const late = new Watched<ComponentType | null>(null);
/** Whether dialogs listen: one that is opened earlier is lost. */
export const lateIsDrawn = new Watched(false);

/** Bring dialogs, toasts and the styles of forms; every page but the overview waits for this. */
export async function wantLate(): Promise<void> {
  const { default: Late } = await import("./Late");
  late.set(Late);
}

/** At the latest when somebody does something. */
export function wantLateSoon(): void {
  const events = ["pointermove", "pointerdown", "keydown", "touchstart"] as const;
  const want = () => {
    for (const name of events) removeEventListener(name, want, true);
    void wantLate();
  };
  for (const name of events) addEventListener(name, want, { capture: true, passive: true });
}
