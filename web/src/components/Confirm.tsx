import { Button, Group, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { countText } from "../lib/time";
import { closeDialog, openDialog } from "./dialog";

type Ask = {
  title: string;
  /** What will happen, in words. */
  children?: ReactNode;
  /** The verb on the button: "Delete", "Retry". */
  verb: string;
  /** How many things it happens to; on the button too, "Delete 1,204". */
  count?: number;
  danger?: boolean;
};

/** Ask before something that cannot be taken back, or that happens to many; resolves to what was answered. */
export function confirm({ title, children, verb, count, danger }: Ask): Promise<boolean> {
  return new Promise((resolve) => {
    let answered = false;
    const close = (yes: boolean) => { answered = true; closeDialog(id); resolve(yes); };
    const id = openDialog({
      title: <span className="strong">{title}</span>,
      onClose: () => { if (!answered) resolve(false); },
      children: (
        <Stack gap="md">
          {children && <Text size="sm" component="div">{children}</Text>}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={() => close(false)}>{verb.startsWith("Cancel") ? "Go back" : "Cancel"}</Button>
            <Button color={danger ? "red.8" : undefined} data-autofocus onClick={() => close(true)}>{count === undefined ? verb : `${verb} ${countText(count)}`}</Button>
          </Group>
        </Stack>
      ),
    });
  });
}
