import { randomId } from "@mantine/hooks";
import { modals } from "@mantine/modals";
import { lateIsDrawn, wantLate } from "../shell/late";

type Dialog = Omit<Parameters<typeof modals.open>[0], "modalId">;

/** Open a dialog and give its id; before dialogs are loaded, it opens as soon as they are. */
export function openDialog(dialog: Dialog): string {
  const modalId = randomId();
  const open = () => { leaveMenu(); modals.open({ ...dialog, modalId }); };
  if (lateIsDrawn.get()) open();
  else {
    const stop = lateIsDrawn.subscribe(() => { stop(); open(); });
    void wantLate();
  }
  return modalId;
}

export const closeDialog = (id: string): void => modals.close(id);

/** The item of a menu is gone when its dialog closes, which gives the focus back to what has it now: the menu's button. */
function leaveMenu(): void {
  const button = document.activeElement?.closest("[role=menu]")?.getAttribute("aria-labelledby");
  if (button) document.getElementById(button)?.focus({ preventScroll: true });
}
