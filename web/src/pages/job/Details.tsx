import { Link } from "@tanstack/react-router";
import { useQuery } from "@tanstack/react-query";
import type { JobDetail } from "../../api/schema";
import { CopyButton } from "../../components/CopyButton";
import { Fact, Facts } from "../../components/Page";
import { Time } from "../../components/Time";
import { ending } from "./ending";

/** Where a job belongs and what holds for it; only what is said of it. */
export function Details({ job }: { job: JobDetail }) {
  const { data: end } = useQuery(ending(job));
  return (
    <Facts>
      <Fact name="Queue"><Link to="/queues/$name" params={{ name: job.queue }}>{job.queue}</Link></Fact>
      {job.jobType && <Fact name="Type"><Link to="/job-types/$" params={{ _splat: job.jobType }}>{job.jobType}</Link></Fact>}
      {job.scheduleId && <Fact name="Schedule"><Link to="/schedules/$id" params={{ id: job.scheduleId }}>{job.scheduleId}</Link>{job.scheduledFor && <div className="dim">for <Time at={job.scheduledFor} form="local" /></div>}</Fact>}
      {job.startedBy && <Fact name="Started by"><bdi>{job.startedBy}</bdi></Fact>}
      <Fact name="Priority">{job.priority}</Fact>
      {job.batchId && <Fact name="Batch"><Link to="/jobs" search={{ batch: job.batchId }}>Its jobs</Link></Fact>}
      {job.concurrencyKey && <Fact name="Key"><Link to="/jobs" search={{ concurrencyKey: job.concurrencyKey }}>{job.concurrencyKey}</Link></Fact>}
      {job.orderKey && <Fact name="Strict order of">{job.orderKey}</Fact>}
      {job.uniqueKey && <Fact name="Unique by">{job.uniqueKey}</Fact>}
      {job.timeout && <Fact name="Timeout">{job.timeout}</Fact>}
      {job.runOn.length > 0 && <Fact name="Runs on">{job.runOn.join(", ")}</Fact>}
      {job.tags.length > 0 && <Fact name="Tags"><span className="row">{job.tags.map((tag) => <Link key={tag} to="/jobs" search={{ tag }}>{tag}</Link>)}</span></Fact>}
      {job.dependsOn.length > 0 && <Fact name="Waits for">{job.dependsOn.map((id) => <div key={id}><Link to="/jobs/$id" params={{ id }} className="mono">{id}</Link></div>)}</Fact>}
      {job.expiresAt && <Fact name="Expires"><Time at={job.expiresAt} form="both" /></Fact>}
      {end && <Fact name="The command">{end}</Fact>}
      <Fact name="Id"><span className="row" style={{ flexWrap: "nowrap" }}><span className="mono">{job.id}</span><CopyButton text={job.id} label="Copy the id" /></span></Fact>
    </Facts>
  );
}
