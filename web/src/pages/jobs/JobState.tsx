import type { JobOut } from "../../api/schema";
import { StatusBadge } from "../../components/StatusBadge";

type State = Pick<JobOut, "status" | "attempt" | "maxAttempts" | "cancelRequestedAt">;

/** The state of a job as people say it: a scheduled one that has run before is retrying, one asked to stop is stopping. */
export function JobState({ job }: { job: State }) {
  if (job.status === "scheduled" && job.attempt > 0) return <StatusBadge status="retrying" label={`Retrying · ${job.attempt} of ${job.maxAttempts}`} />;
  if (job.status === "running" && job.cancelRequestedAt) return <StatusBadge status="stopping" />;
  if (job.status === "running" && job.attempt > 1) return <StatusBadge status="running" label={`Running · ${job.attempt} of ${job.maxAttempts}`} />;
  return <StatusBadge status={job.status} />;
}
