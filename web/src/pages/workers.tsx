import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { queries } from "../api/queries";
import type { WorkerOut } from "../api/schema";
import { EmptyState } from "../components/EmptyState";
import { ErrorNote } from "../components/ErrorNote";
import { FilterBar, type FilterField } from "../components/FilterBar";
import { Loading } from "../components/Loading";
import { Page } from "../components/Page";
import { useSearchParams } from "../lib/search";
import { ProcessCard } from "./workers/ProcessCard";
import { isGone } from "./workers/state";

const FIELDS: readonly FilterField[] = [
  { key: "role", title: "Role", options: ["worker", "scheduler", "api"].map((value) => ({ value, label: value })) },
  { key: "state", title: "State", options: [{ value: "alive", label: "Alive" }, { value: "gone", label: "Gone" }] },
];

/** Every process, and every loop in it: what it does, when it last turned, and why it sleeps. */
export default function Workers() {
  const { data, error, refetch } = useQuery(queries.workers());
  const [filters, setFilters] = useSearchParams();
  const shown = useMemo(() => data?.workers.filter((one) => fits(one, filters)), [data, filters]);
  return (
    <Page title="Workers" lead="Every process, and every loop in it">
      {(data?.workers.length ?? 0) > 3 && <FilterBar fields={FIELDS} value={filters} onChange={setFilters} placeholder="role:worker host-7" />}
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data?.workers.length === 0 && <EmptyState icon="workers" title="No process is known">Start one: <code>rota up</code>, or <code>rota worker</code>.</EmptyState>}
      {data && data.workers.length > 0 && shown?.length === 0 && <EmptyState icon="search" title="No process is like that">Take a filter away.</EmptyState>}
      {shown?.map((one) => <ProcessCard key={one.id} one={one} />)}
    </Page>
  );
}

function fits(one: WorkerOut, filters: Record<string, string>): boolean {
  if (filters["role"] && one.role !== filters["role"]) return false;
  if (filters["state"] && isGone(one) !== (filters["state"] === "gone")) return false;
  return `${one.role} ${one.host} ${one.pid} ${one.labels.join(" ")}`.toLowerCase().includes((filters["q"] ?? "").toLowerCase());
}
