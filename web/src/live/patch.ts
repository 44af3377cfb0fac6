import type { InfiniteData, QueryClient } from "@tanstack/react-query";
import { keys } from "../api/keys";
import type { JobList, JobOut, Stats } from "../api/schema";
import { accountedTo, health } from "./state";

export type LiveEvent =
  | { kind: "job"; job: JobOut }
  | { kind: "schedule" | "queue" | "worker"; id: string }
  | { kind: "stats"; stats: Stats & { status?: string; accountedTo?: string | null } }
  | { kind: "resync" };

/** How rarely lists are asked anew because of things that they do not hold yet. */
const LISTS_EVERY_MS = 2000;
const ROOTS = { schedule: "schedules", queue: "queues", worker: "workers" } as const;
const askedAt = new Map<string, number>();
const later = new Map<string, ReturnType<typeof setTimeout>>();

/** Ask again what is shown under a key, at once, and then at most every two seconds. */
function refresh(queries: QueryClient, ...key: string[]): void {
  const name = key.join("\0");
  if (later.has(name)) return;
  const wait = Math.max(0, (askedAt.get(name) ?? 0) + LISTS_EVERY_MS - Date.now());
  later.set(name, setTimeout(() => {
    later.delete(name);
    askedAt.set(name, Date.now());
    // A refetch under way may be older than the change: it is let finish, and asked again.
    void queries.invalidateQueries({ queryKey: key }, { cancelRefetch: false });
  }, wait));
}

/** Put what happened into the query cache: one notification for all of it. */
export function applyEvents(queries: QueryClient, events: LiveEvent[]): void {
  if (events.some((event) => event.kind === "resync")) {
    void queries.invalidateQueries();
    return;
  }
  const jobs = new Map<string, JobOut>();
  for (const event of events) {
    if (event.kind === "job") jobs.set(event.job.id, event.job);
    else if (event.kind === "stats") applyStats(queries, event.stats);
    else if (event.kind !== "resync") {
      refresh(queries, ROOTS[event.kind]);
      refresh(queries, event.kind, event.id);
    }
  }
  if (jobs.size) applyJobs(queries, jobs);
}

function applyStats(queries: QueryClient, stats: Stats & { status?: string; accountedTo?: string | null }): void {
  queries.setQueryData(keys.stats(), (old: object | undefined) => ({ ...old, ...stats }));
  if (stats.accountedTo) accountedTo.saw(stats.accountedTo);
  if (stats.status && stats.status !== health.get()?.status) refresh(queries, "health");
}

function applyJobs(queries: QueryClient, jobs: Map<string, JobOut>): void {
  const unseen = new Set(jobs.keys());
  const patch = (list: JobOut[]): JobOut[] => {
    let changed = false;
    const next = list.map((old) => {
      const job = jobs.get(old.id);
      if (!job || job.updatedAt < old.updatedAt) return old;
      changed = true;
      unseen.delete(job.id);
      return { ...old, ...job };
    });
    return changed ? next : list;
  };
  queries.setQueriesData<JobList | InfiniteData<JobList>>({ queryKey: ["jobs"] }, (data) => {
    if (!data) return data;
    if ("pages" in data) return { ...data, pages: data.pages.map((page) => ({ ...page, jobs: patch(page.jobs) })) };
    const list = patch(data.jobs);
    return list === data.jobs ? data : { ...data, jobs: list };
  });
  for (const [id, job] of jobs) {
    queries.setQueryData<JobOut>(keys.job(id), (old) => (old && job.updatedAt >= old.updatedAt ? { ...old, ...job } : old));
    if (queries.getQueryData(keys.job(id))) refresh(queries, "job", id); // attempts and reasons are only in the whole job
  }
  if (unseen.size) refresh(queries, "jobs");
}
