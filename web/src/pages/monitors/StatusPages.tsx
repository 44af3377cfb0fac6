import { ActionIcon } from "@mantine/core";
import { useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import { useMe } from "../../api/queries";
import type { StatusPageOut } from "../../api/schema";
import { confirm } from "../../components/Confirm";
import { CopyButton } from "../../components/CopyButton";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { ErrorNote } from "../../components/ErrorNote";
import { Icon } from "../../components/Icon";
import { toast, toastError } from "../../components/toasts";
import { editStatusPage } from "./EditStatusPage";
import { asked } from "./questions";
import classes from "./monitors.module.css";

const COLUMNS: readonly Column<StatusPageOut>[] = [
  { key: "title", title: "Status page", phone: "title", cell: (one) => <div className={classes.lines}><span className="strong"><bdi>{one.title}</bdi></span><span className="dim small">of the tag <bdi>{one.tag}</bdi></span></div> },
  { key: "page", title: "Page", width: "34%", cell: (one) => <Address path={one.pagePath} what="page" /> },
  { key: "badge", title: "Badge", width: "34%", cell: (one) => <Address path={one.badgePath} what="badge" /> },
];
const idOf = (one: StatusPageOut) => one.tag;

/** What anybody may see of schedules and checks with a tag, and where. */
export function StatusPages() {
  const { may } = useMe();
  const cache = useQueryClient();
  const { data, error, refetch } = useQuery(asked.statusPages());
  const open = useCallback((one: StatusPageOut) => editStatusPage(one), []);
  const columns = useMemo(() => (may("deleteStatusPage") ? [...COLUMNS, { key: "act", title: "", width: "3.5rem", cell: (one: StatusPageOut) => <ActionIcon variant="subtle" color="gray" aria-label={`Remove ${one.tag}`} onClick={() => void remove(cache, one)}><Icon name="trash" size={16} /></ActionIcon> }] : COLUMNS), [cache, may("deleteStatusPage")]);
  return (
    <>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <DataTable label="Status pages" columns={columns} rows={data?.statusPages} rowId={idOf} {...(may("putStatusPage") ? { onOpen: open } : {})} empty={<EmptyState icon="eye" title="Nothing is shown to anybody">A status page shows the names and states of schedules and checks with a tag to whoever has its address, and nothing else.</EmptyState>} />
    </>
  );
}

function Address({ path, what }: { path: string | null; what: string }) {
  if (path === null) return <span className="dim">off</span>;
  const url = new URL(path, location.origin).href;
  return <span className={classes.public}><a href={url} target="_blank" rel="noreferrer">{url}</a><CopyButton text={url} label={`Copy the address of the ${what}`} /></span>;
}

async function remove(cache: QueryClient, one: StatusPageOut): Promise<void> {
  const sure = await confirm({ title: `Remove the status page of ${one.tag}?`, verb: "Remove it", danger: true, children: "Its addresses answer 404 from now on and are forgotten: whoever has them sees nothing any more." });
  if (!sure) return;
  try {
    await answer(client.DELETE("/api/status-pages/{name}", { params: { path: { name: one.tag } } }));
    toast(`Nothing of ${one.tag} is shown any more`);
  } catch (error) { toastError(error); }
  void cache.invalidateQueries({ queryKey: keys.statusPages() });
}
