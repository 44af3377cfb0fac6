import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { answer, client } from "../api/client";
import { keys } from "../api/keys";
import { queries, useMe } from "../api/queries";
import { pauseQueue, resumeQueue, retryFailed } from "../pages/queues/actions";
import { router } from "../router";
import { searches, usePaletteActions, type PaletteAction, type PaletteSearch } from "./actions";

const SHOWN = 5;
const JOB_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Words before the name of a queue: "pause mail", "retry exports". */
const QUEUE_WORDS = /^(?:pause|resume|retry|queue)\s+/i;

type May = (operationId: string) => boolean;
const has = (name: string, text: string): boolean => name.toLowerCase().includes(text.toLowerCase());

/** What can be done from anywhere, and what is found by what is typed: jobs, schedules, checks, queues, types. */
export function useSearches(): void {
  const cache = useQueryClient();
  const { may } = useMe();
  const offered = useMemo(() => commands(may), [may("putSchedule"), may("putCheck"), may("createToken"), may("putSecret"), may("putStatusPage")]);
  usePaletteActions(offered);
  useEffect(() => {
    const mine: PaletteSearch[] = [findJobs, findSchedules, findChecks, (text) => findTypes(cache, text), (text) => findQueues(cache, may, text)];
    for (const one of mine) searches.add(one);
    return () => { for (const one of mine) searches.delete(one); };
  }, [cache, may("pauseQueue"), may("retryFailed")]);
}

function commands(may: May): PaletteAction[] {
  return [
    may("putSchedule") && { id: "new schedule", title: "New schedule", group: "Do", icon: "plus" as const, run: () => void router.navigate({ to: "/new-schedule" }) },
    may("triggerJob") && { id: "run type", title: "Run a job type", group: "Do", icon: "play" as const, run: () => void router.navigate({ to: "/job-types" }) },
    may("createToken") && { id: "new token", title: "New token", group: "Do", icon: "tokens" as const, run: () => void router.navigate({ to: "/tokens", search: { new: "1" } as never }) },
    may("putSecret") && { id: "new secret", title: "New secret", group: "Do", icon: "lock" as const, run: () => void router.navigate({ to: "/settings", search: { new: "1" } as never }) },
    may("putCheck") && { id: "new check", title: "Add a check", group: "Do", icon: "plus" as const, run: () => void router.navigate({ to: "/monitors", search: { show: "checks", new: "1" } as never }) },
    may("putStatusPage") && { id: "status pages", title: "Status pages", group: "Do", icon: "eye" as const, run: () => void router.navigate({ to: "/monitors", search: { show: "pages" } as never }) },
    { id: "notices", title: "Notices that were sent", group: "Do", icon: "bell" as const, run: () => void router.navigate({ to: "/monitors", search: { show: "notices" } as never }) },
    { id: "shadow schedules", title: "Schedules in the shadow", group: "Do", icon: "eye" as const, run: () => void router.navigate({ to: "/schedules", search: { shadow: "true" } as never }) },
    { id: "failed jobs", title: "Failed jobs", group: "Do", icon: "jobs" as const, run: () => void router.navigate({ to: "/jobs", search: { status: "failed" } as never }) },
  ].filter((one) => one !== false);
}

/** A job by its id, or the way to the jobs of what was typed. */
const findJobs: PaletteSearch = async (text, signal) => {
  if (!JOB_ID.test(text)) {
    return [{ id: `jobs ${text}`, title: "All jobs with this text", group: "Jobs", icon: "search", run: () => void router.navigate({ to: "/jobs", search: { q: text } as never }) }];
  }
  const { jobs } = await answer(client.GET("/api/jobs", { params: { query: { q: text, limit: 1 } }, signal }));
  return jobs.map((one) => ({ id: `job ${one.id}`, title: one.id, group: "Jobs", icon: "jobs", hint: [one.jobType, one.status].filter(Boolean).join(", "), run: () => void router.navigate({ to: "/jobs/$id", params: { id: one.id } }) }));
};

const findSchedules: PaletteSearch = async (text, signal) => {
  const { schedules } = await answer(client.GET("/api/schedules", { params: { query: { q: text, limit: SHOWN } }, signal }));
  return schedules.map((one) => ({ id: `schedule ${one.id}`, title: one.id, group: "Schedules", icon: "schedules", hint: [one.shadow && "shadow", one.paused ? "paused" : one.jobType].filter(Boolean).join(", "), run: () => void router.navigate({ to: "/schedules/$id", params: { id: one.id } }) }));
};

const findChecks: PaletteSearch = async (text, signal) => {
  const { checks } = await answer(client.GET("/api/checks", { params: { query: { q: text, limit: SHOWN } }, signal }));
  return checks.map((one) => ({ id: `check ${one.id}`, title: one.name || one.id, group: "Checks", icon: "monitors", hint: one.status, run: () => void router.navigate({ to: "/checks/$id", params: { id: one.id } }) }));
};

async function findTypes(cache: QueryClient, text: string): Promise<PaletteAction[]> {
  const { jobTypes } = await cache.ensureQueryData(queries.jobTypes());
  return jobTypes.filter((one) => has(one.name, text)).slice(0, SHOWN).map((one) => ({
    id: `type ${one.name}`, title: one.name, group: "Job types", icon: "types", hint: one.kind, run: () => void router.navigate({ to: "/job-types/$", params: { _splat: one.name } }),
  }));
}

/** Queues by name, and what may be done to them when it is named: "pause mail". */
async function findQueues(cache: QueryClient, may: May, text: string): Promise<PaletteAction[]> {
  const { queues } = await cache.fetchQuery(queries.queues());
  const changed = () => void cache.invalidateQueries({ queryKey: keys.queues() });
  const found = queues.filter((one) => has(one.name, text.replace(QUEUE_WORDS, ""))).slice(0, SHOWN);
  return found.flatMap((one): PaletteAction[] => [
    { id: `queue ${one.name}`, title: one.name, group: "Queues", icon: "queues", hint: one.paused ? "paused" : "active", run: () => void router.navigate({ to: "/queues/$name", params: { name: one.name } }) },
    ...(!may("pauseQueue") ? [] : [one.paused
      ? { id: `resume ${one.name}`, title: `Resume ${one.name}`, group: "Queues", icon: "play" as const, run: () => void resumeQueue(one.name, changed) }
      : { id: `pause ${one.name}`, title: `Pause ${one.name}`, group: "Queues", icon: "pause" as const, run: () => void pauseQueue(one.name, changed) }]),
    ...(may("retryFailed") && one.counts.failed > 0 ? [{ id: `retry ${one.name}`, title: `Retry the failed jobs of ${one.name}`, group: "Queues", icon: "retry" as const, run: () => void retryFailed(one, changed) }] : []),
  ]);
}
