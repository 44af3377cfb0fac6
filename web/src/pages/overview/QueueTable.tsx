import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { SeriesGroup } from "../../api/schema";
import { DataTable, type Column } from "../../components/DataTable";
import { Card } from "../../components/Page";
import { Sparkline } from "../../components/Strip";
import { Duration } from "../../components/Time";
import { countText } from "../../lib/time";
import { asked, type Window } from "./questions";

const COLUMNS: readonly Column<SeriesGroup>[] = [
  { key: "name", title: "Queue", phone: "title", cell: (one) => <Link to="/queues/$name" params={{ name: one.name ?? "" }}>{one.name}</Link> },
  { key: "spark", title: "Throughput", width: "9rem", cell: (one) => <Sparkline values={one.points.map((point) => point.completed + point.failed)} label={`Ended jobs of ${one.name} over time`} tone="good" /> },
  { key: "completed", title: "Completed", width: "7rem", align: "right", cell: (one) => countText(one.totals.completed) },
  { key: "failed", title: "Failed", width: "6rem", align: "right", cell: (one) => (one.totals.failed ? <Link to="/jobs" search={{ queue: one.name ?? "", status: "failed" }} style={{ color: "var(--bad-fg)" }}>{countText(one.totals.failed)}</Link> : <span className="dim">0</span>) },
  { key: "waiting", title: "Waited, p50", width: "7rem", align: "right", cell: (one) => <Duration ms={one.totals.waitingMs?.p50 ?? null} /> },
  { key: "running", title: "Ran, p50", width: "7rem", align: "right", cell: (one) => <Duration ms={one.totals.runningMs?.p50 ?? null} /> },
  { key: "slow", title: "Ran, p99", width: "7rem", align: "right", phone: "hide", cell: (one) => <Duration ms={one.totals.runningMs?.p99 ?? null} /> },
];
const idOf = (one: SeriesGroup) => one.name ?? "";

/** The same numbers for each queue that did something. */
export function QueueTable({ window }: { window: Window }) {
  const { data } = useQuery(asked.byQueue(window));
  if (data?.groups.length === 0) return null;
  return <Card title="By queue" pad={false}><DataTable label="Queues" columns={COLUMNS} rows={data?.groups} rowId={idOf} loadingRows={3} /></Card>;
}
