import { Link } from "@tanstack/react-router";
import type { JobOut } from "../../api/schema";
import type { Column } from "../../components/DataTable";
import { Duration, Time } from "../../components/Time";
import { isHiddenArgs } from "./hidden";
import { JobState } from "./JobState";
import { Progress } from "./Progress";
import classes from "./columns.module.css";

export const COLUMNS: readonly Column<JobOut>[] = [
  { key: "job", title: "Job", phone: "title", cell: (job) => <Name job={job} /> },
  { key: "status", title: "Status", width: "10.5rem", cell: (job) => <JobState job={job} /> },
  { key: "queue", title: "Queue", width: "10rem", cell: (job) => <Link to="/queues/$name" params={{ name: job.queue }} className={classes.quiet} title={job.queue}>{job.queue}</Link> },
  { key: "when", title: "When", width: "8.5rem", cell: (job) => <When job={job} /> },
  { key: "took", title: "Took", width: "7rem", align: "right", cell: (job) => <Duration ms={job.startedAt && !job.completedAt && job.status !== "running" ? null : undefined} from={job.startedAt} to={job.completedAt} /> },
];
export const idOf = (job: JobOut): string => job.id;

/**
 * What a job is, and in a second line what matters of it now: how far it is, why it failed, where it came from, or else
 * which one it is. That line is always there, so that a row keeps its height whatever becomes of its job.
 */
function Name({ job }: { job: JobOut }) {
  return (
    <div className={classes.name}>
      <Link to="/jobs/$id" params={{ id: job.id }} className={classes.link}>{job.jobType ?? job.kind}</Link>
      <div className={classes.slot}><Second job={job} /></div>
    </div>
  );
}

function Second({ job }: { job: JobOut }) {
  if (job.status === "running" && (job.progress || job.eta?.at)) return <Progress job={job} />;
  const isFailing = job.status === "failed" || (job.status === "scheduled" && job.attempt > 0);
  if (isFailing && job.error && !isHiddenArgs(job.args)) return <span className={classes.error} title={job.error.slice(0, 500)}><bdi>{job.error.slice(0, 300)}</bdi></span>;
  if (job.status === "cancelled" && job.reason) return <span className={classes.second} title={job.reason}><bdi>{job.reason}</bdi></span>;
  const from = [job.scheduleId && `from ${job.scheduleId}`, ...job.tags.map((tag) => `#${tag}`)].filter(Boolean).join(" · ");
  if (from) return <span className={classes.second} title={from}><bdi>{from}</bdi></span>;
  return <span className={`${classes.second} mono`} title={job.id}>{job.id}</span>;
}

/** The time that matters in its state: due, started, ended. */
function When({ job }: { job: JobOut }) {
  if (job.status === "scheduled") return <span className="nowrap"><span className="dim">due </span><Time at={job.runAt} /></span>;
  return <Time at={job.completedAt ?? (job.status === "running" ? job.startedAt : job.createdAt)} />;
}
