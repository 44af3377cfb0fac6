import type { JobOut } from "../../api/schema";

/** What a job is called: its type, or the schedule that made it, or what kind of thing it runs. */
export const nameOf = (job: Pick<JobOut, "jobType" | "scheduleId" | "kind">): string => job.jobType ?? job.scheduleId ?? job.kind;
