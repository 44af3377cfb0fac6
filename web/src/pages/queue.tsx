import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useCallback } from "react";
import { answer, client } from "../api/client";
import { keys } from "../api/keys";
import { useMe } from "../api/queries";
import type { QueueOut, QueueStat } from "../api/schema";
import { DataTable, type Column } from "../components/DataTable";
import { EmptyState } from "../components/EmptyState";
import { ErrorNote } from "../components/ErrorNote";
import { Icon } from "../components/Icon";
import { Loading } from "../components/Loading";
import { Card, Figure, Page } from "../components/Page";
import { StatusBadge } from "../components/StatusBadge";
import { Time } from "../components/Time";
import { countText } from "../lib/time";
import { Trends } from "./overview/Trends";
import { deleteFailed, pauseQueue, resumeQueue, retryFailed } from "./queues/actions";
import { Keys } from "./queues/Keys";
import { Limits } from "./queues/Limits";
import { depthText, stateOf } from "./queues/words";

const STATS: readonly Column<QueueStat>[] = [
  { key: "status", title: "Status", phone: "title", cell: (one) => <StatusBadge status={one.status} /> },
  { key: "priority", title: "Priority", width: "7rem", align: "right", cell: (one) => one.priority },
  { key: "count", title: "Jobs", width: "7rem", align: "right", cell: (one) => countText(one.count) },
  { key: "oldest", title: "Oldest", width: "10rem", cell: (one) => <Time at={one.oldestAt} /> },
];
const statId = (one: QueueStat) => `${one.status} ${one.priority}`;

/** One queue: what is in it by status and priority, its keys, and its limits, editable while it works. */
export default function Queue() {
  const name = String(useParams({ strict: false }).name);
  const cache = useQueryClient();
  const { data, error, refetch } = useQuery({ queryKey: keys.queue(name), queryFn: ({ signal }) => answer(client.GET("/api/queues/{name}", { params: { path: { name } }, signal })), refetchInterval: 5000 });
  const changed = useCallback(() => {
    for (const queryKey of [keys.queue(name), keys.queues()]) void cache.invalidateQueries({ queryKey });
  }, [cache, name]);
  return (
    <Page title={name} crumbs={[["/queues", "Queues"]]} beside={data && <StatusBadge {...stateOf(data)} />} actions={data && <Actions queue={data} changed={changed} />}>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && (
        <>
          {data.paused && <Paused queue={data} />}
          <div className="figures">
            <Figure name="Pending" to={`/jobs?status=pending&queue=${encodeURIComponent(name)}`}>{depthText(data.counts.pending)}</Figure>
            <Figure name="Running" to={`/jobs?status=running&queue=${encodeURIComponent(name)}`}>{depthText(data.counts.running)}{data.concurrency !== null && <span className="dim small"> of {countText(data.concurrency)}</span>}</Figure>
            <Figure name="Failed" to={`/jobs?status=failed&queue=${encodeURIComponent(name)}`} {...(data.counts.failed ? { tone: "bad" } : {})}>{depthText(data.counts.failed)}</Figure>
            <Figure name="Oldest waiting"><Time at={data.oldestPendingAt} none="none" /></Figure>
          </div>
          <Trends window="1h" queue={name} />
          <Card title="By status and priority" pad={false} actions={<Link to="/jobs" search={{ queue: name }}>Its jobs</Link>}>
            <DataTable label="Jobs by status and priority" columns={STATS} rows={data.stats} rowId={statId} empty={<EmptyState icon="queues" title="Nothing waits, runs or has failed" />} />
          </Card>
          <Limits key={name} queue={data} changed={changed} />
          <Keys queue={name} cap={data.keyConcurrency} />
        </>
      )}
    </Page>
  );
}

function Paused({ queue }: { queue: QueueOut }) {
  return (
    <Card>
      <span className="row" style={{ flexWrap: "nowrap", alignItems: "baseline" }}><Icon name="pause" size={13} /><span>
        Paused <Time at={queue.pausedAt} />{queue.pausedBy && <> by <b>{queue.pausedBy}</b></>}{queue.resumeAt && <>, resumes <Time at={queue.resumeAt} form="both" /></>}{queue.pausedNote && <>: <bdi>{queue.pausedNote}</bdi></>}
      </span></span>
    </Card>
  );
}

function Actions({ queue, changed }: { queue: QueueOut; changed: () => void }) {
  const { may } = useMe();
  const { failed } = queue.counts;
  return (
    <>
      {may("retryFailed") && failed > 0 && <Button variant="default" leftSection={<Icon name="retry" size={15} />} onClick={() => void retryFailed(queue, changed)}>Retry failed</Button>}
      {may("deleteFailed") && failed > 0 && <Button variant="default" leftSection={<Icon name="trash" size={15} />} onClick={() => void deleteFailed(queue, changed)}>Delete failed</Button>}
      {may("pauseQueue") && (queue.paused
        ? <Button leftSection={<Icon name="play" size={15} />} onClick={() => void resumeQueue(queue.name, changed)}>Resume</Button>
        : <Button variant="default" leftSection={<Icon name="pause" size={15} />} onClick={() => void pauseQueue(queue.name, changed)}>Pause</Button>)}
    </>
  );
}
