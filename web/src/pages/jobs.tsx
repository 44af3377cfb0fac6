import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { answer, client } from "../api/client";
import { keys } from "../api/keys";
import { keepShown, useMe } from "../api/queries";
import type { JobOut } from "../api/schema";
import { DataTable } from "../components/DataTable";
import { EmptyState } from "../components/EmptyState";
import { ErrorNote } from "../components/ErrorNote";
import { FilterBar } from "../components/FilterBar";
import type { Filters } from "../components/filters";
import { Page } from "../components/Page";
import { Pager } from "../components/Pager";
import { useSearchParams } from "../lib/search";
import { COLUMNS, idOf } from "./jobs/columns";
import { asked, FIELDS } from "./jobs/filters";
import { SavedMenu } from "./jobs/SavedMenu";
import { Selected } from "./jobs/Selected";
import { useOperations } from "./jobs/useOperations";

const LIMIT = 50;
const START: { trail: readonly string[]; ids: ReadonlySet<string>; all: boolean } = { trail: [], ids: new Set(), all: false };
type Kept = typeof START & { filters: Filters };

/** All jobs, the latest first: found by filters, watched live, changed one by one or all that match. */
export default function Jobs() {
  const [filters, setFilters] = useSearchParams();
  const [kept, setKept] = useState<Kept>({ filters, ...START });
  // Pages and selection belong to the filters that they were made under.
  const { trail, ids, all } = kept.filters === filters ? kept : START;
  const { me } = useMe();
  useOperations();
  const navigate = useNavigate();
  const query = useMemo(() => ({ ...asked(filters), limit: LIMIT, ...(trail.length ? { cursor: trail.at(-1) } : {}) }), [filters, trail]);
  const { data, error, refetch } = useQuery({ queryKey: keys.jobs(query), queryFn: ({ signal }) => answer(client.GET("/api/jobs", { params: { query: query as never }, signal })), ...keepShown });
  const keep = (part: Partial<typeof START>) => setKept({ filters, trail, ids, all, ...part });
  const open = useCallback((job: JobOut) => void navigate({ to: "/jobs/$id", params: { id: job.id } }), [navigate]);
  const isFiltered = Object.keys(asked(filters)).length > 0;
  const select = (next: ReadonlySet<string>) => keep({ ids: next, all: false });
  return (
    <Page title="Jobs">
      <FilterBar fields={FIELDS} value={filters} onChange={setFilters} placeholder="status:failed type:mail since:1h args.user:42">
        <SavedMenu filters={filters} onChange={setFilters} />
      </FilterBar>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      {(data || !error) && (
        <DataTable
          label="Jobs" columns={COLUMNS} rows={data?.jobs} rowId={idOf} onOpen={open} {...(me && me.role !== "viewer" ? { selection: { ids, set: select } } : {})}
          empty={<Empty filters={filters} isFiltered={isFiltered} />}
        />
      )}
      {data && <Pager shown={data.jobs.length} total={data.total} isEstimate={data.totalIsEstimate} next={data.nextCursor} trail={trail} onTrail={(next) => keep({ trail: next })} noun="jobs" />}
      <Selected ids={ids} filters={filters} matching={isFiltered && data && data.total > ids.size ? { total: data.total, isEstimate: data.totalIsEstimate } : null} all={all} setAll={(next) => keep({ all: next })} clear={() => keep({ ids: START.ids, all: false })} />
    </Page>
  );
}

function Empty({ filters, isFiltered }: { filters: Filters; isFiltered: boolean }) {
  if (!isFiltered) return <EmptyState icon="jobs" title="No jobs yet">Jobs appear as schedules fire, or when you enqueue one: <code>rota enqueue TYPE</code>.</EmptyState>;
  if (filters["status"] === "failed") return <EmptyState icon="check" title="Nothing like this has failed">What fails after its last attempt is listed here, with its error.</EmptyState>;
  return <EmptyState icon="search" title="No job is like that">Take a filter away; what was deleted by retention is not found any more.</EmptyState>;
}
