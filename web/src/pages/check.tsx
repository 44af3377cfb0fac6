import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { answer, client } from "../api/client";
import { ApiError } from "../api/errors";
import { keys } from "../api/keys";
import { keepShown, useMe } from "../api/queries";
import type { CheckOut, PingOut } from "../api/schema";
import { confirm } from "../components/Confirm";
import { CopyButton } from "../components/CopyButton";
import { DataTable, type Column } from "../components/DataTable";
import { EmptyState } from "../components/EmptyState";
import { ErrorNote } from "../components/ErrorNote";
import { Icon } from "../components/Icon";
import { Loading } from "../components/Loading";
import { Card, Fact, Facts, Page } from "../components/Page";
import { Pager } from "../components/Pager";
import { askPause } from "../components/PauseDialog";
import { StatusBadge } from "../components/StatusBadge";
import { Time } from "../components/Time";
import { Told } from "../components/Told";
import { toast, toastError } from "../components/toasts";
import { durationText } from "../lib/time";
import { editCheck } from "./monitors/EditCheck";
import { asked } from "./monitors/questions";
import classes from "./monitors/monitors.module.css";

const CRUMBS = [["/monitors", "Monitors"]] as const;
const LIMIT = 50;
const COLUMNS: readonly Column<PingOut>[] = [
  { key: "at", title: "When", phone: "title", width: "13rem", cell: (one) => <Time at={one.at} form="both" /> },
  { key: "kind", title: "What", width: "9rem", cell: (one) => <StatusBadge status={one.kind} {...(one.exitCode === null ? {} : { title: `exit code ${one.exitCode}` })} /> },
  { key: "took", title: "Took", width: "7rem", align: "right", cell: (one) => (one.durationMs === null ? <span className="dim">–</span> : durationText(one.durationMs)) },
  { key: "source", title: "From", width: "10rem", cell: (one) => one.source ?? <span className="dim">–</span> },
  { key: "body", title: "Said", cell: (one) => (one.body ? <pre className={classes.body} tabIndex={0} aria-label="What it said">{one.body}</pre> : one.exitCode ? `exit code ${one.exitCode}` : <span className="dim">–</span>) },
];
const idOf = (one: PingOut) => String(one.n);

/** A job that Rota does not run: its state, the address that it pings, and what it told of itself. */
export default function Check() {
  const id = String(useParams({ strict: false }).id);
  const { data, error, refetch } = useQuery(asked.check(id));
  if (!data) return <Page title={id} crumbs={CRUMBS}>{error ? <Missing error={error} retry={() => void refetch()} /> : <Loading />}</Page>;
  return (
    <Page title={data.name || data.id} crumbs={CRUMBS} beside={<StatusBadge status={data.status} />} lead={data.name && data.name !== data.id ? data.id : undefined} actions={<Actions one={data} />}>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      {data.problem && <ErrorNote error={new Error(data.problem)} />}
      <Card>
        <div className="stack">
          {data.note && <p className="small" style={{ margin: 0 }}><bdi>{data.note}</bdi></p>}
          <Facts>
            <Fact name="Expected"><Told text={data.description} /></Fact>
            <Fact name="Next"><Time at={data.paused ? null : data.nextAt} form="both" /></Fact>
            <Fact name="Grace">{data.grace}</Fact>
            {data.longest && <Fact name="A run takes at most">{data.longest}</Fact>}
            <Fact name="Last ping"><Time at={data.lastPingAt} none="never" form="both" /></Fact>
            {data.startedAt && <Fact name="Runs since"><Time at={data.startedAt} form="both" /></Fact>}
            {data.failures > 0 && <Fact name="Failed in a row">{data.failures}</Fact>}
            {data.tags.length > 0 && <Fact name="Tags">{data.tags.join(", ")}</Fact>}
            {data.paused && <Fact name="Paused"><Time at={data.pausedAt} />{data.pausedBy && ` by ${data.pausedBy}`}{data.pauseNote && <>: <bdi>{data.pauseNote}</bdi></>}</Fact>}
            <Fact name="Alerts"><Link to="/monitors" search={{ show: "alerts", monitor: `check:check:${data.id}` } as never}>Its history</Link></Fact>
          </Facts>
        </div>
      </Card>
      {data.pingPath && <Address one={data} />}
      <Pings id={id} />
    </Page>
  );
}

function Missing({ error, retry }: { error: Error; retry: () => void }) {
  if (!(error instanceof ApiError && error.status === 404)) return <ErrorNote error={error} retry={retry} />;
  return <EmptyState icon="search" title="There is no such check">It was deleted, or the address is not right.</EmptyState>;
}

/** Only admins are told it: who knows the address can say that all is well. */
function Address({ one }: { one: CheckOut }) {
  const url = one.pingUrl ?? new URL(one.pingPath ?? "", location.origin).href;
  const line = `${one.cron ?? "30 2 * * *"} your-command && curl -fsS -m 10 --retry 3 -o /dev/null ${url}`;
  return (
    <Card title="Address to ping">
      <div className="stack">
        <div className={classes.address}><code data-address>{url}</code><CopyButton text={url} label="Copy the address" /></div>
        <p className="dim small" style={{ margin: 0 }}>Keep it secret: who knows it can say that all is well. As a line of a crontab:</p>
        <div className={classes.address}><code>{line}</code><CopyButton text={line} label="Copy the line" /></div>
      </div>
    </Card>
  );
}

function Pings({ id }: { id: string }) {
  const [trail, setTrail] = useState<readonly string[]>([]);
  const query = useMemo(() => ({ limit: LIMIT, ...(trail.length ? { cursor: trail.at(-1) } : {}) }), [trail]);
  const { data, error, refetch } = useQuery({ queryKey: keys.check(id, "pings", query), refetchInterval: 5000, ...keepShown, queryFn: ({ signal }) => answer(client.GET("/api/checks/{id}/pings", { params: { path: { id }, query: query as never }, signal })) });
  return (
    <Card title="Pings" pad={false}>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <DataTable label="Pings" columns={COLUMNS} rows={data?.pings} rowId={idOf} empty={<EmptyState icon="hourglass" title="No ping yet">What the job tells of itself is kept here.</EmptyState>} />
      {data && (trail.length > 0 || data.nextCursor) && <div style={{ padding: "0.6rem 1rem" }}><Pager shown={data.pings.length} total={data.total} isEstimate={data.totalIsEstimate} next={data.nextCursor} trail={trail} onTrail={setTrail} noun="pings" /></div>}
    </Card>
  );
}

function Actions({ one }: { one: CheckOut }) {
  const { may } = useMe();
  const cache = useQueryClient();
  const navigate = useNavigate();
  const at = { params: { path: { id: one.id } } };
  const tried = useCallback(async (work: () => Promise<string | null>) => {
    try {
      const said = await work();
      if (said) toast(said);
      for (const root of ["check", "checks", "alerts", "problems"]) void cache.invalidateQueries({ queryKey: [root] });
    } catch (error) { toastError(error); }
  }, [cache]);
  const pause = () => tried(async () => {
    const said = await askPause(`Pause ${one.id}?`, "No pings are expected; those that come are kept all the same.", "Pause", null);
    if (said === null) return null;
    await answer(client.POST("/api/checks/{id}/pause", { ...at, body: { note: said.note } }));
    return `${one.id} is paused`;
  });
  const resume = () => tried(async () => { await answer(client.POST("/api/checks/{id}/resume", at)); return `${one.id} is expected again`; });
  const renew = () => tried(async () => {
    if (!(await confirm({ title: "Give it another address?", verb: "New address", danger: true, children: "The old one answers 404 at once." }))) return null;
    await answer(client.POST("/api/checks/{id}/key", at));
    return "It has another address";
  });
  const remove = () => tried(async () => {
    if (!(await confirm({ title: `Delete ${one.id}?`, verb: "Delete it", danger: true, children: "Its history goes too, and its address answers 404." }))) return null;
    await navigate({ to: "/monitors", search: { show: "checks" } as never }); // before nothing is there to be asked for
    await answer(client.DELETE("/api/checks/{id}", at));
    cache.removeQueries({ queryKey: keys.check(one.id) });
    return `${one.id} is deleted`;
  });
  const button = (icon: "play" | "pause" | "edit" | "lock" | "trash", label: string, run: () => void) => <Button variant="default" leftSection={<Icon name={icon} size={15} />} onClick={run}>{label}</Button>;
  return (
    <>
      {may("pauseCheck") && (one.paused ? button("play", "Resume", () => void resume()) : button("pause", "Pause", () => void pause()))}
      {may("putCheck") && button("edit", "Edit", () => editCheck(one))}
      {may("newCheckKey") && button("lock", "New address", () => void renew())}
      {may("deleteCheck") && button("trash", "Delete", () => void remove())}
    </>
  );
}
