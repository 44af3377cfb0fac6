import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useMe } from "../../api/queries";
import type { ChannelOut } from "../../api/schema";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { ErrorNote } from "../../components/ErrorNote";
import { StatusBadge } from "../../components/StatusBadge";
import { Time } from "../../components/Time";
import { testChannel } from "./actions";
import { asked } from "./questions";
import classes from "./monitors.module.css";

const COLUMNS: readonly Column<ChannelOut>[] = [
  { key: "name", title: "Channel", phone: "title", cell: (one) => <div className={classes.lines}><span className="strong">{one.name}</span>{one.error && <span className={classes.bad}><bdi>{one.error}</bdi></span>}</div> },
  { key: "state", title: "State", width: "11rem", cell: (one) => <StatusBadge status={one.state} /> },
  { key: "least", title: "Told of", width: "9rem", cell: (one) => (one.least === "error" ? "errors" : "everything") },
  { key: "sent", title: "Last sent", width: "8rem", cell: (one) => <Time at={one.sentAt} none="never" /> },
  { key: "waiting", title: "Waiting", width: "6rem", align: "right", cell: (one) => one.waiting },
];
const idOf = (one: ChannelOut) => one.name;

/** Who is told, and whether that works; addresses are in the settings and shown nowhere. */
export function Channels() {
  const { may } = useMe();
  const { data, error, refetch } = useQuery(asked.channels());
  const columns = useMemo(() => (may("testChannel") ? [...COLUMNS, { key: "act", title: "", width: "6rem", cell: (one: ChannelOut) => <Test name={one.name} /> }] : COLUMNS), [may("testChannel")]);
  return (
    <>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <DataTable label="Channels" columns={columns} rows={data?.channels} rowId={idOf} empty={<EmptyState icon="bell" title="Nobody is told">Give the service <code>ROTA_NOTIFY_URLS</code>: mail, Slack, webhooks and a hundred others. What is wrong is listed on this page all the same.</EmptyState>} />
    </>
  );
}

function Test({ name }: { name: string }) {
  const cache = useQueryClient();
  const [busy, setBusy] = useState(false);
  return <Button size="xs" variant="default" loading={busy} aria-label={`Test ${name}`} onClick={() => { setBusy(true); void testChannel(cache, name).finally(() => setBusy(false)); }}>Test</Button>;
}
