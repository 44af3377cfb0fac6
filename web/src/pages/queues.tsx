import { ActionIcon, Menu } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { keys } from "../api/keys";
import { queries, useMe } from "../api/queries";
import type { QueueOut } from "../api/schema";
import { DataTable, type Column } from "../components/DataTable";
import { EmptyState } from "../components/EmptyState";
import { ErrorNote } from "../components/ErrorNote";
import { FilterBar, type FilterField } from "../components/FilterBar";
import { Icon } from "../components/Icon";
import { Page } from "../components/Page";
import { StatusBadge } from "../components/StatusBadge";
import { Time } from "../components/Time";
import { useSearchParams } from "../lib/search";
import { deleteFailed, pauseQueue, resumeQueue, retryFailed } from "./queues/actions";
import { Load } from "./queues/Load";
import { depthText, limitsText, stateOf } from "./queues/words";

const FIELDS: readonly FilterField[] = [
  { key: "state", title: "State", options: [{ value: "paused", label: "Paused" }, { value: "active", label: "Active" }, { value: "failed", label: "With failed jobs" }] },
];
const COLUMNS: readonly Column<QueueOut>[] = [
  { key: "name", title: "Queue", phone: "title", cell: (one) => <Link to="/queues/$name" params={{ name: one.name }}>{one.name}</Link> },
  { key: "state", title: "State", width: "8rem", cell: (one) => <StatusBadge {...stateOf(one)} /> },
  { key: "pending", title: "Pending", width: "6rem", align: "right", cell: (one) => <Count one={one} status="pending" /> },
  { key: "running", title: "Running", width: "9rem", cell: (one) => <Load queue={one} /> },
  { key: "scheduled", title: "Later", width: "6rem", align: "right", phone: "hide", cell: (one) => <Count one={one} status="scheduled" /> },
  { key: "failed", title: "Failed", width: "6rem", align: "right", cell: (one) => <Count one={one} status="failed" tone="bad" /> },
  { key: "oldest", title: "Oldest waiting", width: "9rem", cell: (one) => <Time at={one.oldestPendingAt} none="none" /> },
  { key: "limits", title: "Limits", cell: (one) => <span className="dim small">{limitsText(one) || "none"}</span> },
];
const idOf = (one: QueueOut) => one.name;

function Count({ one, status, tone }: { one: QueueOut; status: "pending" | "scheduled" | "failed"; tone?: string }) {
  const count = one.counts[status];
  if (!count) return <span className="dim">0</span>;
  return <Link to="/jobs" search={{ queue: one.name, status }} style={tone ? { color: `var(--${tone}-fg)` } : undefined}>{depthText(count)}</Link>;
}

/** Every lane of work: what waits, what runs, what failed, and its limits. */
export default function Queues() {
  const { data, error, refetch } = useQuery(queries.queues());
  const [filters, setFilters] = useSearchParams();
  const navigate = useNavigate();
  const cache = useQueryClient();
  const { may } = useMe();
  const changed = useCallback(() => { void cache.invalidateQueries({ queryKey: keys.queues() }); }, [cache]);
  const open = useCallback((one: QueueOut) => void navigate({ to: "/queues/$name", params: { name: one.name } }), [navigate]);
  const columns = useMemo(() => (may("pauseQueue") ? [...COLUMNS, { key: "act", title: "", width: "3.5rem", cell: (one: QueueOut) => <Actions queue={one} changed={changed} /> }] : COLUMNS), [may("pauseQueue"), changed]);
  const rows = useMemo(() => data?.queues.filter((one) => fits(one, filters)), [data, filters]);
  return (
    <Page title="Queues" lead="Lanes with limits that hold across all machines">
      {(data?.queues.length ?? 0) > 1 && <FilterBar fields={FIELDS} value={filters} onChange={setFilters} placeholder="state:paused mail" />}
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <DataTable
        label="Queues" columns={columns} rows={rows} rowId={idOf} onOpen={open}
        empty={data?.queues.length ? <EmptyState icon="search" title="No queue is like that">Take a filter away.</EmptyState> : <EmptyState icon="queues" title="No queues yet">A queue is made by its first use: <code>rota enqueue TYPE --queue mail</code>.</EmptyState>}
      />
    </Page>
  );
}

function fits(one: QueueOut, filters: Record<string, string>): boolean {
  const state = filters["state"];
  if (state === "paused" && !one.paused) return false;
  if (state === "active" && one.paused) return false;
  if (state === "failed" && !one.counts.failed) return false;
  return one.name.toLowerCase().includes((filters["q"] ?? "").toLowerCase());
}

function Actions({ queue, changed }: { queue: QueueOut; changed: () => void }) {
  const { may } = useMe();
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target><ActionIcon variant="subtle" color="gray" aria-label={`Actions of ${queue.name}`}><Icon name="more" /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        {queue.paused
          ? <Menu.Item leftSection={<Icon name="play" size={15} />} onClick={() => void resumeQueue(queue.name, changed)}>Resume</Menu.Item>
          : <Menu.Item leftSection={<Icon name="pause" size={15} />} onClick={() => void pauseQueue(queue.name, changed)}>Pause…</Menu.Item>}
        {may("retryFailed") && <Menu.Item leftSection={<Icon name="retry" size={15} />} disabled={!queue.counts.failed} onClick={() => void retryFailed(queue, changed)}>Retry failed…</Menu.Item>}
        {may("deleteFailed") && <Menu.Item leftSection={<Icon name="trash" size={15} />} disabled={!queue.counts.failed} color="red" onClick={() => void deleteFailed(queue, changed)}>Delete failed…</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  );
}
