import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { answer, client } from "../api/client";
import { ApiError } from "../api/errors";
import { keys } from "../api/keys";
import { EmptyState } from "../components/EmptyState";
import { ErrorNote } from "../components/ErrorNote";
import { Json } from "../components/Json";
import { Loading } from "../components/Loading";
import { Card, Page } from "../components/Page";
import { Actions } from "./job/Actions";
import { Attempts } from "./job/Attempts";
import { Course } from "./job/Course";
import { Details } from "./job/Details";
import { Exchange } from "./job/Exchange";
import { Log } from "./job/Log";
import { Hidden, isHidden, Payloads } from "./job/Payloads";
import { Siblings } from "./job/Siblings";
import { Why } from "./job/Why";
import { JobState } from "./jobs/JobState";
import { nameOf } from "./jobs/name";
import { Progress } from "./jobs/Progress";
import classes from "./job/Job.module.css";

const CRUMBS = [["/jobs", "Jobs"]] as const;

/** One job: its way in time, why it waits, every attempt, its log as it is written, what it took and gave. */
export default function Job() {
  const { id } = useParams({ strict: false }) as { id: string };
  const { data: job, error, refetch } = useQuery({ queryKey: keys.job(id), queryFn: ({ signal }) => answer(client.GET("/api/jobs/{id}", { params: { path: { id } }, signal })) });
  if (!job) return <Page title="Job" crumbs={CRUMBS}>{error ? <Missing error={error} retry={() => void refetch()} /> : <Loading />}</Page>;
  const hidden = isHidden(job);
  const isLive = job.completedAt === null;
  const hasLog = !hidden && (job.attempts.length > 0 || job.attempt > 0);
  return (
    <Page title={nameOf(job)} crumbs={CRUMBS} beside={<JobState job={job} />} actions={<Actions job={job} hidden={hidden} />}>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      <div className={classes.page} data-two={hasLog || undefined}>
        <div className={classes.part}>
          {job.status === "failed" && job.error && !hidden && <ErrorNote error={new Error(job.error)} />}
          <Card>
            <div className="stack">
              <Course job={job} />
              <Why job={job} />
              {job.status === "running" && <Progress job={job} wide />}
              {job.status === "cancelled" && job.reason && <span className="small"><bdi>{job.reason}</bdi></span>}
            </div>
            <div className={classes.facts}><Details job={job} /></div>
          </Card>
          <Attempts attempts={job.attempts} max={job.maxAttempts} hidden={hidden} />
        </div>
        {hasLog && <div className={classes.log}><Log key={job.id} job={job} isLive={isLive} /></div>}
        <div className={classes.part}>
          {hidden && <Hidden />}
          {!hidden && <Payloads job={job} />}
          {!hidden && job.exchange && <Exchange exchange={job.exchange} />}
          {!hidden && job.target && <Card title="Target"><Json value={job.target} label="target" /></Card>}
          {job.jobType && <Siblings type={job.jobType} />}
        </div>
      </div>
    </Page>
  );
}

function Missing({ error, retry }: { error: Error; retry: () => void }) {
  if (!(error instanceof ApiError && error.status === 404)) return <ErrorNote error={error} retry={retry} />;
  return <EmptyState icon="search" title="There is no such job">It was deleted, by a person or by retention, or the address is not right.</EmptyState>;
}
