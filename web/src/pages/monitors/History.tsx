import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { AlertOut } from "../../api/schema";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { ErrorNote } from "../../components/ErrorNote";
import { Pager } from "../../components/Pager";
import { StatusBadge } from "../../components/StatusBadge";
import { Duration, Time } from "../../components/Time";
import { Told } from "../../components/Told";
import { asked } from "./questions";
import { alertState, kindOf, Subject, times } from "./words";
import classes from "./monitors.module.css";

const LIMIT = 50;
const COLUMNS: readonly Column<AlertOut>[] = [
  { key: "text", title: "Alert", phone: "title", cell: (one) => <div className={classes.lines}><span><Told text={one.text} /></span><span className="dim small inline">{kindOf(one.kind)}, <Subject kind={one.subject.kind} id={one.subject.id} />{one.jobId && <> · <Link to="/jobs/$id" params={{ id: one.jobId }}>its job</Link></>}</span></div> },
  { key: "state", title: "State", width: "8.5rem", cell: (one) => <StatusBadge {...alertState(one)} {...(one.heldBy ? { title: `Not told: ${one.heldBy}` } : {})} /> },
  { key: "since", title: "Since", width: "9rem", cell: (one) => <Time at={one.since} /> },
  { key: "lasted", title: "Lasted", width: "7rem", align: "right", cell: (one) => <Duration from={one.since} to={one.goneAt ?? one.closedAt} /> },
  { key: "told", title: "Told", width: "8rem", cell: (one) => (one.tellings ? times(one.tellings) : <span className="dim">{one.heldBy ?? "no"}</span>) },
];
const idOf = (one: AlertOut) => one.id;

/** What monitors found, the latest first; `monitor` narrows it to one of them. */
export function History({ monitor }: { monitor?: string }) {
  const [trail, setTrail] = useState<readonly string[]>([]);
  const query = useMemo(() => ({ limit: LIMIT, ...(monitor ? { monitor } : {}), ...(trail.length ? { cursor: trail.at(-1) } : {}) }), [monitor, trail]);
  const { data, error, refetch } = useQuery(asked.alerts(query));
  return (
    <>
      {monitor && <span className="row small"><span>Of <b>{monitor}</b></span><Link to="/monitors" search={{ show: "alerts" } as never}>Show all</Link></span>}
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <DataTable label="Alerts" columns={COLUMNS} rows={data?.alerts} rowId={idOf} empty={<EmptyState icon="check" title="Nothing was wrong yet">What monitors find is kept here, with the jobs that it is about.</EmptyState>} />
      {data && <Pager shown={data.alerts.length} total={data.total} isEstimate={data.totalIsEstimate} next={data.nextCursor} trail={trail} onTrail={setTrail} noun="alerts" />}
    </>
  );
}
