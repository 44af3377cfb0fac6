import { Button, SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { queries, useMe } from "../api/queries";
import { EmptyState } from "../components/EmptyState";
import { ErrorNote } from "../components/ErrorNote";
import { Icon } from "../components/Icon";
import { Figure, Page } from "../components/Page";
import { Time } from "../components/Time";
import { useSearchParams } from "../lib/search";
import { countText } from "../lib/time";
import { depthText } from "./queues/words";
import { Errors } from "./overview/Errors";
import { Latest } from "./overview/Latest";
import { NextDue } from "./overview/NextDue";
import { Problems } from "./overview/Problems";
import { QueueTable } from "./overview/QueueTable";
import { Trends } from "./overview/Trends";
import classes from "./overview/overview.module.css";
import type { Window } from "./overview/questions";

const WINDOWS = [{ value: "1h", label: "Last hour" }, { value: "24h", label: "Last day" }];

/** What a person needs at three in the morning: what is wrong first, then how it goes. */
export default function Overview() {
  const { data, error, refetch } = useQuery(queries.stats());
  const [params, setParams] = useSearchParams();
  const window: Window = params["window"] === "24h" ? "24h" : "1h";
  const isNew = data !== undefined && data.schedules === 0 && data.jobs.pending + data.jobs.running + data.jobs.scheduled + data.jobs.failed === 0;
  return (
    <Page title="Overview" actions={<SegmentedControl aria-label="Window" size="xs" data={WINDOWS} value={window} onChange={(value) => setParams(value === "1h" ? {} : { window: value })} />}>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <Problems />
      {isNew && <Begin />}
      <div className="figures" aria-busy={!data}>
        <Figure name="Running" to="/jobs?status=running">{data ? depthText(data.jobs.running) : "–"}</Figure>
        <Figure name="Pending" to="/jobs?status=pending">{data ? depthText(data.jobs.pending) : "–"}</Figure>
        <Figure name="Failed in the last day" to="/jobs?status=failed&since=1d" {...(data?.failedLastDay ? { tone: "bad" } : {})}>{data ? countText(data.failedLastDay) : "–"}</Figure>
        <Figure name="Oldest waiting"><Time at={data?.oldestPendingAt} none="none" /></Figure>
      </div>
      <Trends window={window} />
      <QueueTable window={window} />
      <div className={classes.halves}>
        <NextDue />
        <Errors window={window} />
        <Latest />
      </div>
    </Page>
  );
}

function Begin() {
  const { may } = useMe();
  return (
    <EmptyState icon="schedules" title="Nothing is scheduled yet" action={may("putSchedule") && <Button component={Link} to="/new-schedule" leftSection={<Icon name="plus" size={16} />}>New schedule</Button>}>
      A schedule says what runs when. Or run a command now: <code>rota exec -- echo hello</code>.
    </EmptyState>
  );
}
