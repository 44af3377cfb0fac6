import { Button } from "@mantine/core";
import { ApiError, messageOf } from "../api/errors";
import { Icon } from "./Icon";
import classes from "./Notes.module.css";

/** What went wrong, its hint, and a way to try again. */
export function ErrorNote({ error, retry, title }: { error: unknown; retry?: () => void; title?: string }) {
  const said = error instanceof ApiError ? error : null;
  return (
    <div className={classes.error} role="alert">
      <Icon name="warning" />
      <div>
        <div className="strong">{title ?? (said?.field ? `${said.field} ${messageOf(error)}` : messageOf(error))}</div>
        {title && <div>{messageOf(error)}</div>}
        {said?.hint && <div className="small">{said.hint}</div>}
      </div>
      {retry && <Button size="xs" variant="default" onClick={retry} leftSection={<Icon name="retry" size={14} />}>Try again</Button>}
    </div>
  );
}
