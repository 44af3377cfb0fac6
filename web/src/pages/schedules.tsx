import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { answer, client } from "../api/client";
import { keys } from "../api/keys";
import { keepShown, useMe } from "../api/queries";
import type { ListedSchedule } from "../api/schema";
import { DataTable } from "../components/DataTable";
import { EmptyState } from "../components/EmptyState";
import { ErrorNote } from "../components/ErrorNote";
import { FilterBar, type FilterField } from "../components/FilterBar";
import { Icon } from "../components/Icon";
import { Card, Page } from "../components/Page";
import { Pager } from "../components/Pager";
import { useSearchParams, type Params } from "../lib/search";
import { plural, viewerZone } from "../lib/time";
import { goLive, pauseSchedules, resumeSchedules } from "./schedules/actions";
import { COLUMNS, RECENT } from "./schedules/columns";
import { Compare } from "./schedules/Compare";
import { RowActions } from "./schedules/RowActions";
import classes from "./schedules/schedules.module.css";

const LIMIT = 50;
const FIELDS: readonly FilterField[] = [
  { key: "paused", title: "State", options: [{ value: "true", label: "Paused" }, { value: "false", label: "Active" }] },
  { key: "shadow", title: "Shadow", options: [{ value: "true", label: "In the shadow" }, { value: "false", label: "Live" }] },
  { key: "owner", title: "Declared", options: [{ value: "api", label: "By people" }, { value: "code", label: "In code" }, { value: "file", label: "In a file" }] },
  { key: "type", title: "Type" },
  { key: "queue", title: "Queue" },
  { key: "tag", title: "Tag" },
];
const idOf = (one: ListedSchedule) => one.id;

/** What of the address the API is asked; the rest is none of its business. */
const asked = (filters: Params): Params => Object.fromEntries(Object.entries(filters).filter(([key]) => key === "q" || FIELDS.some((field) => field.key === key)));

/** Every schedule: its rule in words, when it is next due, and what became of its last instants. */
export default function Schedules() {
  const [filters, setFilters] = useSearchParams();
  const [trail, setTrail] = useState<readonly string[]>([]);
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  const navigate = useNavigate();
  const cache = useQueryClient();
  const { may } = useMe();
  const query = useMemo(() => ({ ...asked(filters), recent: RECENT, limit: LIMIT, ...(trail.length ? { cursor: trail.at(-1) } : {}) }), [filters, trail]);
  const { data, error, refetch } = useQuery({ queryKey: keys.schedules(query), refetchInterval: 15_000, ...keepShown, queryFn: ({ signal }) => answer(client.GET("/api/schedules", { params: { query: query as never }, signal })) });
  const changed = useCallback(() => { void cache.invalidateQueries({ queryKey: ["schedules"] }); }, [cache]);
  const open = useCallback((one: ListedSchedule) => void navigate({ to: "/schedules/$id", params: { id: one.id } }), [navigate]);
  const mayAct = may("triggerSchedule") || may("pauseSchedule");
  const columns = useMemo(() => (mayAct ? [...COLUMNS, { key: "act", title: "", width: "3.5rem", cell: (one: ListedSchedule) => <RowActions one={one} changed={changed} /> }] : COLUMNS), [mayAct, changed]);
  const isFiltered = Object.keys(asked(filters)).length > 0;
  return (
    <Page title="Schedules" lead="What runs when" actions={may("putSchedule") && <Button component={Link} to="/new-schedule" leftSection={<Icon name="plus" size={16} />}>New schedule</Button>}>
      <FilterBar fields={FIELDS} value={filters} placeholder="paused:true type:mail nightly" onChange={(next) => { setTrail([]); setIds(new Set()); setFilters(next); }} />
      {filters["shadow"] === "true" && may("compareSchedules") && !!data?.total && <ShadowNote />}
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      {may("pauseSchedule") && ids.size > 0 && <Bulk ids={ids} dark={[...ids].filter((id) => data?.schedules.find((one) => one.id === id)?.shadow)} clear={() => setIds(new Set())} changed={changed} />}
      {(data || !error) && (
        <DataTable
          label="Schedules" columns={columns} rows={data?.schedules} rowId={idOf} onOpen={open} {...(may("pauseSchedule") ? { selection: { ids, set: setIds } } : {})}
          empty={isFiltered
            ? <EmptyState icon="search" title="No schedule is like that">Take a filter away.</EmptyState>
            : <EmptyState icon="schedules" title="No schedules yet" action={may("putSchedule") && <Button component={Link} to="/new-schedule" variant="default">Make the first one</Button>}>A schedule says what runs when: every ten minutes, at nine on Mondays, once tomorrow.</EmptyState>}
        />
      )}
      {data && <Pager shown={data.schedules.length} total={data.total} isEstimate={data.totalIsEstimate} next={data.nextCursor} trail={trail} onTrail={setTrail} noun="schedules" />}
    </Page>
  );
}

/** What those in the shadow are, all compared at once. */
function ShadowNote() {
  const [open, setOpen] = useState(false);
  return (
    <Card title="In the shadow" actions={<Button size="xs" variant="default" aria-expanded={open} leftSection={<Icon name="eye" size={14} />} onClick={() => setOpen(!open)}>Compare all with a log</Button>}>
      <div className="stack">
        <p className="small" style={{ margin: 0 }}>These only observe: what is due is decided and written down, and makes no job until they go live.</p>
        {open && <Compare timezone={viewerZone} />}
      </div>
    </Card>
  );
}

/** What is done with all that are selected, also on pages before. */
function Bulk({ ids, dark, clear, changed }: { ids: ReadonlySet<string>; dark: readonly string[]; clear: () => void; changed: () => void }) {
  const { may } = useMe();
  const chosen = [...ids];
  return (
    <div className={classes.bulk} role="group" aria-label="With the selected schedules">
      <span className="strong small">{plural(ids.size, "schedule")} selected</span>
      <Button size="xs" variant="default" leftSection={<Icon name="pause" size={14} />} onClick={() => void pauseSchedules(chosen, changed)}>Pause</Button>
      <Button size="xs" variant="default" leftSection={<Icon name="play" size={14} />} onClick={() => void resumeSchedules(chosen, changed)}>Resume</Button>
      {dark.length > 0 && may("goLive") && <Button size="xs" variant="default" leftSection={<Icon name="check" size={14} />} onClick={() => void goLive(chosen, changed)}>Go live</Button>}
      <Button size="xs" variant="subtle" onClick={clear}>Clear</Button>
    </div>
  );
}
