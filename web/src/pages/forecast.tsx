import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { answer, client } from "../api/client";
import { keys } from "../api/keys";
import { keepShown, queries } from "../api/queries";
import type { ForecastOut } from "../api/schema";
import { ErrorNote } from "../components/ErrorNote";
import { FilterBar, type FilterField } from "../components/FilterBar";
import { Loading } from "../components/Loading";
import { Figure, Page } from "../components/Page";
import { Time } from "../components/Time";
import { useSearchParams } from "../lib/search";
import { countText } from "../lib/time";
import { Clashes } from "./forecast/Clashes";
import { Hours } from "./forecast/Hours";
import { Outlooks } from "./forecast/Outlooks";

const SPANS = [{ value: "24", label: "24 hours" }, { value: "168", label: "7 days" }];

/** What schedules will do: when, how often, for how long, and where they get in each other's way. */
export default function Forecast() {
  const [{ hours: span = "24", ...filters }, setParams] = useSearchParams();
  const hours = span === "168" ? 168 : 24;
  const { data: queues } = useQuery(queries.queues());
  const fields = useMemo((): readonly FilterField[] => [{ key: "queue", title: "Queue", options: (queues?.queues ?? []).map((one) => ({ value: one.name, label: one.name })) }, { key: "schedule", title: "Schedule" }], [queues]);
  const query = useMemo(() => ({ hours, ...(filters["queue"] ? { queue: filters["queue"] } : {}), ...(filters["schedule"] ?? filters["q"] ? { schedule: filters["schedule"] ?? filters["q"] } : {}) }), [hours, filters["queue"], filters["schedule"], filters["q"]]);
  const { data, error, refetch } = useQuery({ queryKey: keys.forecast(query), refetchInterval: 60_000, ...keepShown, queryFn: ({ signal }) => answer(client.GET("/api/forecast", { params: { query: query as never }, signal })) });
  return (
    <Page title="Forecast" lead="What schedules will do, and where they get in each other's way" actions={<SegmentedControl aria-label="How far ahead" data={SPANS} value={String(hours)} onChange={(next) => setParams({ ...filters, ...(next === "24" ? {} : { hours: next }) })} />}>
      <FilterBar fields={fields} value={filters} onChange={(next) => setParams({ ...next, ...(hours === 24 ? {} : { hours: String(hours) }) })} placeholder="queue:mail schedule:nightly" />
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && !error && <Found forecast={data} />}
    </Page>
  );
}

function Found({ forecast }: { forecast: ForecastOut }) {
  const { clashes, schedules, notUnderstood } = forecast;
  const due = schedules.filter((one) => one.count > 0 && !one.shadow).length;
  const dark = schedules.filter((one) => one.shadow).length;
  return (
    <>
      <div className="grid">
        <Figure name="Starts">{countText(forecast.starts)}</Figure>
        <Figure name="Schedules that are due">{countText(due)}</Figure>
        <Figure name="To look at" {...(clashes.length ? { tone: clashes.some((one) => one.kind === "overload") ? "bad" : "warn" } : {})}>{countText(clashes.length)}</Figure>
        <Figure name="Up to"><Time at={forecast.end} form="local" /></Figure>
      </div>
      {!forecast.complete && <p className="small" role="note" style={{ margin: 0 }}>There are so many schedules that only those due first are looked at.</p>}
      {notUnderstood.length > 0 && <p className="small" role="note" style={{ margin: 0 }}>Left out, since their rules cannot be read any more: {notUnderstood.map((id, place) => <span key={id}>{place > 0 && ", "}<Link to="/schedules/$id" params={{ id }}>{id}</Link></span>)}</p>}
      {dark > 0 && <p className="small" role="note" style={{ margin: 0 }}>{dark === 1 ? "One schedule is" : `${countText(dark)} schedules are`} in the shadow: listed below with what would start, and counted nowhere.</p>}
      <Hours forecast={forecast} />
      <Clashes clashes={clashes} />
      <Outlooks outlooks={schedules} />
    </>
  );
}
