import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { ApiError, messageOf } from "../api/errors";
import { offer, undoAction } from "../shell/actions";
import { Icon } from "./Icon";

const SHOWN_MS = 5000;
const UNDO_MS = 10_000;

/** Say that something was done; `undo` takes it back and is offered for ten seconds, or does what `verb` says. */
export function toast(message: string, undo?: () => void, verb = "Undo"): void {
  const act = () => { withdraw?.(); notifications.hide(id); undo?.(); };
  const withdraw = undo && verb === "Undo" ? offer(undoAction(`Undo: ${message}`, act)) : undefined;
  const id = notifications.show({
    message: undo ? (
      <span className="row">
        <span>{message}</span>
        <Button size="compact-xs" variant="light" onClick={act}>{verb}</Button>
      </span>
    ) : message,
    icon: <Icon name="check" size={16} />,
    color: "petrol",
    autoClose: undo ? UNDO_MS : SHOWN_MS,
    onClose: withdraw,
  });
}

/** Say that something was refused, with its field and hint. */
export function toastError(error: unknown): void {
  const said = error instanceof ApiError ? error : null;
  notifications.show({
    title: said?.field ? `${said.field} ${messageOf(error)}` : messageOf(error),
    message: said?.hint ?? "",
    icon: <Icon name="warning" size={16} />,
    color: "red.8",
    autoClose: UNDO_MS,
  });
}
