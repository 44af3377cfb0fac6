import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import type { JobOut } from "../../api/schema";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { ErrorNote } from "../../components/ErrorNote";
import { Card } from "../../components/Page";
import { StatusBadge } from "../../components/StatusBadge";
import { Duration, Time } from "../../components/Time";
import { ofSchedule } from "./queries";

const ORIGINS: Partial<Record<string, string>> = { schedule: "by the timetable", trigger: "by hand", backfill: "backfill", enqueue: "enqueued" };
const COLUMNS: readonly Column<JobOut>[] = [
  { key: "due", title: "Due", phone: "title", cell: (job) => <Link to="/jobs/$id" params={{ id: job.id }}><Time at={job.scheduledFor ?? job.createdAt} form="both" /></Link> },
  { key: "status", title: "Status", width: "9rem", cell: (job) => <StatusBadge status={job.status} /> },
  { key: "origin", title: "Begun", width: "10rem", cell: (job) => <span className="dim small">{ORIGINS[job.origin] ?? job.origin}{job.startedBy && job.origin !== "schedule" && ` by ${job.startedBy}`}</span> },
  { key: "took", title: "Took", width: "7rem", align: "right", cell: (job) => <Duration from={job.startedAt} to={job.completedAt} /> },
];
const idOf = (job: JobOut) => job.id;

/** The latest jobs of a schedule, also those begun by hand. */
export function LatestJobs({ id }: { id: string }) {
  const { data, error, refetch } = useQuery(ofSchedule.jobs(id));
  const navigate = useNavigate();
  const open = useCallback((job: JobOut) => void navigate({ to: "/jobs/$id", params: { id: job.id } }), [navigate]);
  return (
    <Card title="Latest jobs" pad={false} actions={<Link to="/jobs" search={{ schedule: id }} className="small">All of them</Link>}>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      {(data || !error) && <DataTable label="Latest jobs" columns={COLUMNS} rows={data?.jobs} rowId={idOf} onOpen={open} loadingRows={3} empty={<EmptyState icon="jobs" title="It has made no job yet" />} />}
    </Card>
  );
}
