import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { queries, useMe } from "../api/queries";
import type { JobTypeOut } from "../api/schema";
import { DataTable, type Column } from "../components/DataTable";
import { EmptyState } from "../components/EmptyState";
import { ErrorNote } from "../components/ErrorNote";
import { FilterBar, type FilterField } from "../components/FilterBar";
import { Icon } from "../components/Icon";
import { Page } from "../components/Page";
import { StatusBadge } from "../components/StatusBadge";
import { Time } from "../components/Time";
import { useSearchParams } from "../lib/search";
import { ownerText, targetText } from "./job-types/words";

const FIELDS: readonly FilterField[] = [
  { key: "kind", title: "Kind", options: ["function", "http", "command", "rq", "celery"].map((value) => ({ value, label: value })) },
  { key: "owner", title: "From", options: ["code", "file", "api"].map((value) => ({ value, label: ownerText(value) })) },
];
const COLUMNS: readonly Column<JobTypeOut>[] = [
  { key: "name", title: "Job type", phone: "title", cell: (one) => <Link to="/job-types/$" params={{ _splat: one.name }}>{one.name}</Link> },
  { key: "target", title: "Runs", cell: (one) => <span className="cut mono small" title={targetText(one)}>{targetText(one)}</span> },
  { key: "owner", title: "Declared", width: "8rem", cell: (one) => ownerText(one.owner) },
  { key: "state", title: "State", width: "8rem", cell: (one) => <StatusBadge status={one.paused ? "paused" : "active"} /> },
  { key: "updated", title: "Changed", width: "9rem", phone: "hide", cell: (one) => <Time at={one.updatedAt} /> },
];
const idOf = (one: JobTypeOut) => one.name;

/** What can be run: every declared type, with a button to run it now. */
export default function JobTypes() {
  const { data, error, refetch } = useQuery(queries.jobTypes());
  const [filters, setFilters] = useSearchParams();
  const navigate = useNavigate();
  const { may } = useMe();
  const mayRun = may("triggerJob");
  const open = useCallback((one: JobTypeOut) => void navigate({ to: "/job-types/$", params: { _splat: one.name } }), [navigate]);
  const columns = useMemo(() => (mayRun ? [...COLUMNS, { key: "run", title: "", width: "6rem", cell: (one: JobTypeOut) => <RunButton one={one} /> }] : COLUMNS), [mayRun]);
  const rows = useMemo(() => data?.jobTypes.filter((one) => fits(one, filters)), [data, filters]);
  return (
    <Page title="Job types" lead="What can be run, and by hand">
      {(data?.jobTypes.length ?? 0) > 3 && <FilterBar fields={FIELDS} value={filters} onChange={setFilters} placeholder="kind:http digest" />}
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <DataTable
        label="Job types" columns={columns} rows={rows} rowId={idOf} onOpen={open}
        empty={data?.jobTypes.length ? <EmptyState icon="search" title="No type is like that">Take a filter away.</EmptyState> : <EmptyState icon="types" title="No job types yet">Python functions declare theirs as a worker starts with <code>--app</code>; others are declared over the API.</EmptyState>}
      />
    </Page>
  );
}

function fits(one: JobTypeOut, filters: Record<string, string>): boolean {
  if (filters["kind"] && one.kind !== filters["kind"]) return false;
  if (filters["owner"] && one.owner !== filters["owner"]) return false;
  return one.name.toLowerCase().includes((filters["q"] ?? "").toLowerCase());
}

function RunButton({ one }: { one: JobTypeOut }) {
  return (
    <Link to="/job-types/$" params={{ _splat: one.name }} hash="run" aria-label={`Run ${one.name}`} className="nowrap small">
      <Icon name="play" size={13} /> Run
    </Link>
  );
}
