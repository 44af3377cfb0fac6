import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import type { CheckItem } from "../../api/schema";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { ErrorNote } from "../../components/ErrorNote";
import { Pager } from "../../components/Pager";
import { StatusBadge } from "../../components/StatusBadge";
import { Time } from "../../components/Time";
import { Told } from "../../components/Told";
import { durationText } from "../../lib/time";
import { asked } from "./questions";
import classes from "./monitors.module.css";

const LIMIT = 50;
const COLUMNS: readonly Column<CheckItem>[] = [
  { key: "id", title: "Check", phone: "title", cell: (one) => <div className={classes.lines}><Link to="/checks/$id" params={{ id: one.id }} className="strong">{one.name || one.id}</Link><span className="dim small">{one.problem ? <Told text={one.problem} /> : one.description}</span></div> },
  { key: "status", title: "State", width: "9rem", cell: (one) => <StatusBadge status={one.status} /> },
  { key: "last", title: "Last ping", width: "8.5rem", cell: (one) => <Time at={one.lastPingAt} none="never" /> },
  { key: "next", title: "Expected", width: "8.5rem", cell: (one) => (one.paused ? <span className="dim">paused</span> : <Time at={one.nextAt} />) },
  { key: "took", title: "Took", width: "7rem", align: "right", cell: (one) => (one.lastDurationMs === null ? <span className="dim">–</span> : durationText(one.lastDurationMs)) },
];
const idOf = (one: CheckItem) => one.id;

/** Jobs that Rota does not run, which tell it of themselves. */
export function Checks() {
  const navigate = useNavigate();
  const [trail, setTrail] = useState<readonly string[]>([]);
  const query = useMemo(() => ({ limit: LIMIT, ...(trail.length ? { cursor: trail.at(-1) } : {}) }), [trail]);
  const { data, error, refetch } = useQuery(asked.checks(query));
  const open = useCallback((one: CheckItem) => void navigate({ to: "/checks/$id", params: { id: one.id } }), [navigate]);
  return (
    <>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <DataTable label="Checks" columns={COLUMNS} rows={data?.checks} rowId={idOf} onOpen={open} empty={<EmptyState icon="monitors" title="No checks yet">A job that runs elsewhere, such as a line of a crontab, pings an address of its own; when it does not, you are told.</EmptyState>} />
      {data && <Pager shown={data.checks.length} total={data.total} isEstimate={data.totalIsEstimate} next={data.nextCursor} trail={trail} onTrail={setTrail} noun="checks" />}
    </>
  );
}
