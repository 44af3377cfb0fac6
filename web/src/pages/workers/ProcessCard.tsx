import { Link } from "@tanstack/react-router";
import { memo } from "react";
import type { ConsumerOut, LoopOut, WorkerOut } from "../../api/schema";
import { DataTable, type Column } from "../../components/DataTable";
import { Card, Fact, Facts } from "../../components/Page";
import { StatusBadge } from "../../components/StatusBadge";
import { Duration, Time } from "../../components/Time";
import { useNow } from "../../lib/now";
import { sleepText, stateOf } from "./state";

const LOOPS: readonly Column<LoopOut>[] = [
  { key: "name", title: "Loop", phone: "title", cell: (one) => one.name },
  { key: "state", title: "State", width: "9rem", cell: (one) => <StatusBadge status={one.error ? "error" : one.state} {...(one.error ? { title: one.error } : {})} /> },
  { key: "turned", title: "Turned before the heartbeat", width: "13rem", align: "right", cell: (one) => <Duration ms={one.turnedMsAgo} /> },
  { key: "until", title: "Sleeps until", width: "10rem", cell: (one) => <Until at={one.sleepsUntil} none={one.state === "sleeping" ? "woken" : "–"} /> },
  { key: "error", title: "Error", cell: (one) => (one.error ? <span style={{ color: "var(--bad-fg)" }}>{one.error}</span> : <span className="dim">none</span>) },
];

/** What a process said at its heartbeat is past soon after; a sleep that has ended by now may have been followed by others. */
function Until({ at, none }: { at: string | null | undefined; none: string }) {
  const now = useNow();
  return at && Date.parse(at) < now ? <span className="dim">over</span> : <Time at={at} none={none} />;
}
const loopId = (one: LoopOut) => one.name;

const CONSUMERS: readonly Column<ConsumerOut>[] = [
  { key: "queue", title: "Queue", phone: "title", cell: (one) => <Link to="/queues/$name" params={{ name: one.queue }}>{one.queue}</Link> },
  { key: "running", title: "Running loops", width: "9rem", align: "right", cell: (one) => one.numRunningLoops },
  { key: "why", title: "Takes no more because", cell: (one) => (one.sleeping ? sleepText(one.sleeping) : <span className="dim">it takes what comes</span>) },
  { key: "until", title: "Until", width: "10rem", cell: (one) => <Until at={one.sleeping?.until} none={one.sleeping ? "woken" : "–"} /> },
];
const consumerId = (one: ConsumerOut) => one.queue;

/** One process: what it holds, what each of its loops does, and each queue that it serves. */
export const ProcessCard = memo(function ProcessCard({ one }: { one: WorkerOut }) {
  return (
    <Card title={`${one.role} on ${one.host}, process ${one.pid}`} actions={<StatusBadge status={stateOf(one)} />}>
      <div className="stack">
      <Facts>
        <Fact name="Last heartbeat"><Time at={one.lastHeartbeat} /></Fact>
        {one.role === "worker" && <Fact name="Jobs held">{one.running}</Fact>}
        {one.role === "worker" && <Fact name="Last claim"><Time at={one.lastClaim} none="none yet" /></Fact>}
        {one.loopLagMs !== null && <Fact name="Lag of its event loop"><Duration ms={one.loopLagMs} /></Fact>}
        <Fact name="Lease until"><Time at={one.leaseUntil} /></Fact>
        <Fact name="Started"><Time at={one.startedAt} form="both" /></Fact>
        <Fact name="Version">{one.version}</Fact>
        {one.slots && Object.entries(one.slots).map(([kind, { taken, of }]) => <Fact key={kind} name={`Places for ${kind}`}>{taken} of {of} taken</Fact>)}
        {one.role === "worker" && <Fact name="Queues">{one.queues?.join(", ") ?? "all"}</Fact>}
        {one.labels.length > 0 && <Fact name="Labels">{one.labels.join(", ")}</Fact>}
      </Facts>
      {one.consumers.length > 0 && <DataTable label={`Queues of process ${one.pid}`} columns={CONSUMERS} rows={one.consumers} rowId={consumerId} />}
      {one.loops.length > 0 && <DataTable label={`Loops of process ${one.pid}`} columns={LOOPS} rows={one.loops} rowId={loopId} />}
      </div>
    </Card>
  );
});
