import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { DeliveryOut, NoticeOut } from "../../api/schema";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { ErrorNote } from "../../components/ErrorNote";
import { FilterBar, type FilterField } from "../../components/FilterBar";
import { Pager } from "../../components/Pager";
import { StatusBadge } from "../../components/StatusBadge";
import { Time } from "../../components/Time";
import { Told } from "../../components/Told";
import { parseSearch, useSearchParams, type Params } from "../../lib/search";
import { asked } from "./questions";
import { times } from "./words";
import classes from "./monitors.module.css";

const LIMIT = 50;
const KINDS: Record<NoticeOut["kind"], string> = { opened: "Something is wrong", again: "It is still wrong", over: "It is over", test: "A test", "canary-lost": "The canary is lost" };
const STATES: Record<DeliveryOut["state"], string> = { pending: "Waiting", sent: "Sent", failed: "Failed", dropped: "Given up" };
const options = (texts: Record<string, string>) => Object.entries(texts).map(([value, label]) => ({ value, label }));
const COLUMNS: readonly Column<NoticeOut>[] = [
  { key: "what", title: "Notice", phone: "title", cell: (one) => <What one={one} /> },
  { key: "kind", title: "Kind", width: "10rem", cell: (one) => KINDS[one.kind] },
  { key: "at", title: "When", width: "8rem", cell: (one) => <Time at={one.createdAt} /> },
  { key: "to", title: "Told to", width: "20rem", cell: (one) => <Deliveries all={one.deliveries} /> },
];
const KNOWN = ["channel", "state", "kind", "severity"];
const idOf = (one: NoticeOut) => one.id;
const filtersOf = (params: Params): Params => Object.fromEntries(Object.entries(params).filter(([key, value]) => KNOWN.includes(key) && value !== ""));

/** What the channels were told, how that went with each of them, and why it failed. */
export function Notices() {
  const [params, setParams] = useSearchParams();
  const filters = useMemo(() => filtersOf(params), [params]);
  const { data: channels } = useQuery(asked.channels());
  const fields = useMemo((): readonly FilterField[] => [
    { key: "state", title: "At a channel", options: options(STATES) },
    { key: "channel", title: "Channel", options: (channels?.channels ?? []).map(({ name }) => ({ value: name, label: name })) },
    { key: "kind", title: "Of what", options: options(KINDS) },
    { key: "severity", title: "Severity", options: options({ error: "Errors", warning: "Warnings" }) },
  ], [channels]);
  const [trail, setTrail] = useState<readonly string[]>([]);
  const query = useMemo(() => ({ ...filters, limit: LIMIT, ...(trail.length ? { cursor: trail.at(-1) } : {}) }), [filters, trail]);
  const { data, error, refetch } = useQuery(asked.notices(query));
  return (
    <>
      <FilterBar fields={fields} value={filters} onChange={(next) => { setTrail([]); setParams({ ...(params["show"] ? { show: params["show"] } : {}), ...filtersOf(next) }); }} placeholder="state:failed channel:desk" />
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <DataTable
        label="Notices" columns={COLUMNS} rows={data?.notices} rowId={idOf}
        empty={Object.keys(filters).length ? <EmptyState icon="search" title="No notice is like that">Take a filter away.</EmptyState> : <EmptyState icon="bell" title="Nobody was told anything yet">What monitors find goes to the channels, and each message is kept here for 90 days.</EmptyState>}
      />
      {data && <Pager shown={data.notices.length} total={data.total} isEstimate={data.totalIsEstimate} next={data.nextCursor} trail={trail} onTrail={setTrail} noun="notices" />}
    </>
  );
}

function What({ one }: { one: NoticeOut }) {
  const [path, query = ""] = one.path.split("?");
  return (
    <div className={classes.lines}>
      <Link to={path || "/"} search={parseSearch(query) as never} className="strong"><bdi>{one.title}</bdi></Link>
      {one.text && <span className={`dim small ${classes.excerpt}`} title={one.text}><Told text={one.text} /></span>}
    </div>
  );
}

function Deliveries({ all }: { all: readonly DeliveryOut[] }) {
  if (all.length === 0) return <span className="dim">nobody: there was no channel</span>;
  return (
    <ul className={classes.deliveries}>
      {all.map((one) => (
        <li key={one.channel}>
          <span className="inline"><StatusBadge status={one.state} label={STATES[one.state]} /> {one.channel}{one.inSummary && <span className="dim"> in a summary</span>}{!(one.state === "sent" && one.attempts < 2) && <span className="dim"> · {one.attempts ? `tried ${times(one.attempts)}` : "not tried yet"}</span>}</span>
          {one.error && one.state !== "sent" && <span className={classes.bad}><bdi>{one.error}</bdi></span>}
        </li>
      ))}
    </ul>
  );
}
