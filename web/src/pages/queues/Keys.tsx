import { ActionIcon } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import { keepShown, useMe } from "../../api/queries";
import type { KeyOut } from "../../api/schema";
import { DataTable, type Column } from "../../components/DataTable";
import { ErrorNote } from "../../components/ErrorNote";
import { Icon } from "../../components/Icon";
import { Card } from "../../components/Page";
import { Pager } from "../../components/Pager";
import { StatusBadge } from "../../components/StatusBadge";
import { Time } from "../../components/Time";
import { countText } from "../../lib/time";
import { pauseKey, resumeKey } from "./actions";

const LIMIT = 20;
const columnsFor = (cap: number | null): readonly Column<KeyOut>[] => [
  { key: "key", title: "Key", phone: "title", cell: (one) => <span className="mono">{one.key}</span> },
  { key: "kind", title: "For", width: "8rem", cell: (one) => (one.kind === "order" ? "strict order" : "a limit") },
  { key: "state", title: "State", width: "9rem", cell: (one) => <KeyState one={one} cap={cap} /> },
  { key: "running", title: "Running", width: "6rem", align: "right", cell: (one) => countText(one.running) },
  { key: "waiting", title: "Waiting", width: "6rem", align: "right", cell: (one) => countText(one.waiting) },
  { key: "oldest", title: "Oldest", width: "8rem", cell: (one) => <Time at={one.oldestAt} /> },
];
const idOf = (one: KeyOut) => `${one.kind} ${one.key}`;

function KeyState({ one, cap }: { one: KeyOut; cap: number | null }) {
  if (one.paused) return <StatusBadge status="paused" {...(one.pausedNote ? { title: one.pausedNote } : {})} />;
  const isFull = one.kind === "concurrency" && cap !== null && one.running >= cap && one.waiting > 0;
  if (!one.blocked && !isFull) return <StatusBadge status="active" />;
  const badge = <StatusBadge status="warning" label="At its cap" />;
  return one.activeJobId ? <Link to="/jobs/$id" params={{ id: one.activeJobId }}>{badge}</Link> : badge;
}

/** The keys of a queue of which something waits or runs; nothing where there are none. */
export function Keys({ queue, cap }: { queue: string; cap: number | null }) {
  const [trail, setTrail] = useState<readonly string[]>([]);
  const cache = useQueryClient();
  const { may } = useMe();
  const mayPause = may("pauseKey");
  const cursor = trail.at(-1);
  const { data, error, refetch } = useQuery({
    queryKey: keys.queue(queue, "keys", cursor), refetchInterval: 5000, ...keepShown,
    queryFn: ({ signal }) => answer(client.GET("/api/queues/{name}/keys", { params: { path: { name: queue }, query: { limit: LIMIT, ...(cursor ? { cursor } : {}) } }, signal })),
  });
  const changed = useCallback(() => { void cache.invalidateQueries({ queryKey: keys.queue(queue) }); }, [cache, queue]);
  const columns = useMemo(() => (mayPause ? [...columnsFor(cap), { key: "act", title: "", width: "3.5rem", cell: (one: KeyOut) => <Pause queue={queue} one={one} changed={changed} /> }] : columnsFor(cap)), [mayPause, queue, cap, changed]);
  if (error) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (!data?.keys.length && trail.length === 0) return null;
  return (
    <Card title="Keys" pad={false}>
      <DataTable label={`Keys of ${queue}`} columns={columns} rows={data?.keys} rowId={idOf} />
      {data && <div style={{ padding: "0.6rem 1rem" }}><Pager shown={data.keys.length} next={data.nextCursor} trail={trail} onTrail={setTrail} noun="keys" /></div>}
    </Card>
  );
}

function Pause({ queue, one, changed }: { queue: string; one: KeyOut; changed: () => void }) {
  return one.paused
    ? <ActionIcon variant="subtle" color="gray" aria-label={`Resume ${one.key}`} onClick={() => void resumeKey(queue, one.key, changed)}><Icon name="play" size={16} /></ActionIcon>
    : <ActionIcon variant="subtle" color="gray" aria-label={`Pause ${one.key}`} onClick={() => void pauseKey(queue, one.key, changed)}><Icon name="pause" size={16} /></ActionIcon>;
}
