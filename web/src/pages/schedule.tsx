import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useCallback, useState } from "react";
import { keys } from "../api/keys";
import { ErrorNote } from "../components/ErrorNote";
import { Loading } from "../components/Loading";
import { Page } from "../components/Page";
import { StatusBadge } from "../components/StatusBadge";
import { IN_SHADOW, stateOf } from "./schedules/words";
import { About } from "./schedule/About";
import { Actions } from "./schedule/Actions";
import { Backfill } from "./schedule/Backfill";
import { LatestJobs } from "./schedule/LatestJobs";
import { NextRuns } from "./schedule/NextRuns";
import { Occurrences } from "./schedule/Occurrences";
import { ofSchedule } from "./schedule/queries";
import classes from "./schedule/schedule.module.css";
import { Shadow } from "./schedule/Shadow";
import { Versions } from "./schedule/Versions";
import { Why } from "./schedule/Why";

const CRUMBS = [["/schedules", "Schedules"]] as const;

/** One schedule: what became of every due instant, what comes next, and what it was before. */
export default function Schedule() {
  const id = String(useParams({ strict: false }).id);
  const cache = useQueryClient();
  const [isBackfilling, setBackfilling] = useState(false);
  const { data, error, refetch } = useQuery(ofSchedule.one(id));
  const changed = useCallback(() => {
    for (const queryKey of [keys.schedule(id), ["schedules"], ["jobs"]]) void cache.invalidateQueries({ queryKey });
  }, [cache, id]);
  if (!data) {
    return (
      <Page title={id} crumbs={CRUMBS}>
        {error ? <><ErrorNote error={error} retry={() => void refetch()} /><Versions id={id} now={null} target={null} changed={changed} /></> : <Loading />}
      </Page>
    );
  }
  return (
    <Page title={data.id} crumbs={CRUMBS} beside={<><StatusBadge {...stateOf(data)} />{data.paused && data.shadow && <StatusBadge status="shadow" title={IN_SHADOW} />}</>} lead={data.description ?? "a rule that cannot be read"} actions={<Actions schedule={data} changed={changed} backfill={() => setBackfilling(true)} />}>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <Why schedule={data} />
      {data.shadow && <Shadow schedule={data} />}
      {isBackfilling && <Backfill id={id} close={() => setBackfilling(false)} changed={changed} />}
      <Occurrences key={id} id={id} />
      <div className={classes.columns}>
        <div className="stack">
          <LatestJobs id={id} />
          <Versions key={id} id={id} now={data.version} target={data.target} changed={changed} />
        </div>
        <div className="stack">
          <NextRuns key={id} schedule={data} />
          <About schedule={data} />
        </div>
      </div>
    </Page>
  );
}
