import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { answer, client } from "../api/client";
import { keys } from "../api/keys";
import { keepShown } from "../api/queries";
import type { AuditEntryOut } from "../api/schema";
import { DataTable, type Column } from "../components/DataTable";
import { EmptyState } from "../components/EmptyState";
import { ErrorNote } from "../components/ErrorNote";
import { FilterBar, type FilterField } from "../components/FilterBar";
import { Icon } from "../components/Icon";
import { Page } from "../components/Page";
import { Pager } from "../components/Pager";
import { Time } from "../components/Time";
import { address } from "../lib/place";
import { stringifySearch, useSearchParams } from "../lib/search";
import { parseSpan } from "../lib/time";
import { showEntry } from "./audit/Entry";

const NOUNS = ["job", "schedule", "queue", "key", "type", "calendar", "batch", "operation", "token", "secret", "monitor", "check", "channel", "statusPage"];
const FIELDS: readonly FilterField[] = [
  { key: "noun", title: "What", options: NOUNS.map((value) => ({ value, label: value })) },
  { key: "origin", title: "From", options: ["ui", "api", "cli", "python", "file", "scheduler"].map((value) => ({ value, label: value })) },
  { key: "name", title: "Name" },
  { key: "actor", title: "Who" },
  { key: "action", title: "Did" },
  { key: "since", title: "Since" },
];
const COLUMNS: readonly Column<AuditEntryOut>[] = [
  { key: "at", title: "When", width: "8rem", cell: (one) => <Time at={one.at} /> },
  { key: "text", title: "What happened", phone: "title", cell: (one) => one.text },
  { key: "from", title: "From", width: "11rem", phone: "hide", cell: (one) => [one.origin, one.client].filter(Boolean).join(" · ") || <span className="dim">–</span> },
];
const idOf = (one: AuditEntryOut) => one.id;
const LIMIT = 50;

/** Who changed what, from where, what was before and what after. */
export default function Audit() {
  const [filters, setFilters] = useSearchParams();
  const [trail, setTrail] = useState<readonly string[]>([]);
  const asked = useMemo(() => ({ ...filters, ...(filters["since"] ? { since: sinceOf(filters["since"]) } : {}) }), [filters]);
  const query = useMemo(() => ({ ...asked, limit: LIMIT, ...(trail.length ? { cursor: trail.at(-1) } : {}) }), [asked, trail]);
  const { data, error, refetch } = useQuery({ queryKey: keys.audit(query), queryFn: ({ signal }) => answer(client.GET("/api/audit", { params: { query: query as never }, signal })), refetchInterval: 5000, ...keepShown });
  const open = useCallback((one: AuditEntryOut) => showEntry(one), []);
  return (
    <Page title="Audit" lead="Every change: by whom, from where, what was before and what after" actions={<Exports filters={asked} />}>
      <FilterBar fields={FIELDS} value={filters} onChange={(next) => { setTrail([]); setFilters(next); }} placeholder="noun:schedule actor:ada since:1d" />
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <DataTable
        label="Audit" columns={COLUMNS} rows={data?.entries} rowId={idOf} onOpen={open}
        empty={Object.keys(filters).length ? <EmptyState icon="search" title="No change is like that">Take a filter away.</EmptyState> : <EmptyState icon="audit" title="Nothing was changed yet">Every change by people and programs is kept here.</EmptyState>}
      />
      {data && <Pager shown={data.entries.length} total={data.total} isEstimate={data.totalIsEstimate} next={data.nextCursor} trail={trail} onTrail={setTrail} noun="changes" />}
    </Page>
  );
}

/** "1d" as the instant a day ago, on a full minute so that the question stays the same for a while. */
function sinceOf(text: string): string {
  const span = parseSpan(text);
  return span === null ? text : new Date(Math.floor((Date.now() - span) / 60_000) * 60_000).toISOString();
}

function Exports({ filters }: { filters: Record<string, string> }) {
  return (
    <span className="row small">
      <Icon name="download" size={15} />
      {["jsonl", "csv"].map((format) => <a key={format} href={address(`/api/audit/export${stringifySearch({ ...filters, format })}`)} download={`audit.${format}`}>{format.toUpperCase()}</a>)}
    </span>
  );
}
