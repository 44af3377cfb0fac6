import { ActionIcon } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { useMe } from "../../api/queries";
import type { MonitorOut } from "../../api/schema";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { ErrorNote } from "../../components/ErrorNote";
import { FilterBar, type FilterField } from "../../components/FilterBar";
import { Icon } from "../../components/Icon";
import { Pager } from "../../components/Pager";
import { StatusBadge } from "../../components/StatusBadge";
import { Time } from "../../components/Time";
import { useSearchParams, type Params } from "../../lib/search";
import { mute, unmute } from "./actions";
import { editMonitor } from "./Edit";
import { Proposals } from "./Proposals";
import { asked } from "./questions";
import { KINDS, kindOf, limitText, meaningOf, stateOf, Subject } from "./words";
import classes from "./monitors.module.css";

const LIMIT = 50;
const options = (texts: Record<string, string>) => Object.entries(texts).map(([value, label]) => ({ value, label }));
const FIELDS: readonly FilterField[] = [
  { key: "state", title: "State", options: options({ open: "Open", held: "Held back", muted: "Muted", off: "Off", changed: "Changed by somebody" }) },
  { key: "subject", title: "Of", options: options({ schedule: "Schedules", queue: "Queues", type: "Job types", check: "Checks", system: "The service" }) },
  { key: "kind", title: "Kind" },
];
const COLUMNS: readonly Column<MonitorOut>[] = [
  { key: "what", title: "Monitor", phone: "title", cell: (one) => <div className={classes.lines}><span className="inline"><b>{kindOf(one.kind)}</b>, <Subject kind={one.subject.kind} id={one.subject.id} /></span><span className={classes.meaning} title={one.note ?? meaningOf(one)}>{one.note ?? meaningOf(one)}</span></div> },
  { key: "state", title: "State", width: "10rem", cell: (one) => <div className={classes.lines}><span><StatusBadge {...stateOf(one)} /></span>{one.since && <span className="dim tiny">began <Time at={one.since} /></span>}{one.mute?.until && <span className="dim tiny">until <Time at={one.mute.until} /></span>}</div> },
  { key: "limit", title: "Tells", width: "13rem", cell: (one) => <div className={classes.lines}><span>{limitText(one)}</span><span className="dim tiny">{one.said ? "as somebody said" : "by default"}{one.realert === "never" ? ", once" : `, again after ${one.realert}`}</span></div> },
];
const idOf = (one: MonitorOut) => one.id;
const KNOWN = ["state", "subject", "kind", "q"];
const filtersOf = (params: Params): Params => Object.fromEntries(Object.entries(params).filter(([key, value]) => KNOWN.includes(key) && value !== "" && (key !== "kind" || value in KINDS)));

/** Every monitor there is, with its limits; they are on by default. */
export function List() {
  const [params, setParams] = useSearchParams();
  const cache = useQueryClient();
  const { may } = useMe();
  const filters = useMemo(() => filtersOf(params), [params]);
  const [trail, setTrail] = useState<readonly string[]>([]);
  const query = useMemo(() => ({ ...filters, limit: LIMIT, ...(trail.length ? { cursor: trail.at(-1) } : {}) }), [filters, trail]);
  const { data, error, refetch } = useQuery(asked.monitors(query));
  const open = useCallback((one: MonitorOut) => editMonitor(one.id), []);
  const columns = useMemo(() => (may("muteMonitor") ? [...COLUMNS, {
    key: "act", title: "", width: "3.5rem", cell: (one: MonitorOut) => (
      <ActionIcon variant="subtle" color="gray" aria-label={`${one.mute ? "Unmute" : "Mute"} ${one.id}`} onClick={() => void (one.mute ? unmute(cache, one.mute.monitor) : mute(cache, one.id))}><Icon name={one.mute ? "bell" : "moon"} size={16} /></ActionIcon>
    ),
  }] : COLUMNS), [cache, may("muteMonitor")]);
  return (
    <>
      {may("acceptProposal") && <Proposals />}
      <FilterBar fields={FIELDS} value={filters} onChange={(next) => { setTrail([]); setParams({ ...(params["show"] ? { show: params["show"] } : {}), ...next }); }} placeholder="state:muted subject:schedule digest" />
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <DataTable label="Monitors" columns={columns} rows={data?.monitors} rowId={idOf} onOpen={open} empty={<EmptyState icon="monitors" title="No monitor is like that">Take a filter away.</EmptyState>} />
      {data && <Pager shown={data.monitors.length} total={data.total} isEstimate={data.totalIsEstimate} next={data.nextCursor} trail={trail} onTrail={setTrail} noun="monitors" />}
    </>
  );
}
