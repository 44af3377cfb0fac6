import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { offer, undoAction } from "../shell/actions";
import { Icon } from "./Icon";
import { toast, toastError } from "./toasts";

const WAITS_MS = 8000;

/**
 * Do what cannot be taken back only after eight seconds, unless it is undone before. While it waits, nothing has
 * happened: a page that is closed leaves everything as it was.
 */
export function undoable(message: string, work: () => Promise<void>): void {
  const over = () => { clearTimeout(timer); withdraw(); notifications.hide(id); };
  const timer = setTimeout(() => { over(); work().catch(toastError); }, WAITS_MS);
  const undo = () => { over(); toast("Nothing was deleted"); };
  const withdraw = offer(undoAction(`Undo: ${message}`, undo));
  const id = notifications.show({
    message: <span className="row"><span>{message}</span><Button size="compact-xs" variant="light" onClick={undo} aria-keyshortcuts="z">Undo</Button></span>,
    icon: <Icon name="trash" size={16} />,
    color: "petrol",
    autoClose: false,
    withCloseButton: false,
  });
}
