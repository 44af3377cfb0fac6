import type { QueryClient } from "@tanstack/react-query";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import type { JobDetail } from "../../api/schema";
import { confirm } from "../../components/Confirm";
import { toast, toastError } from "../../components/toasts";
import { undoable } from "../../components/undoable";
import { askPriority, askQueue } from "../jobs/askFor";
import { nameOf } from "../jobs/name";

const at = (job: JobDetail) => ({ params: { path: { id: job.id } } });

/** Do it, put what came back into the page, and say so. */
async function tried(cache: QueryClient, job: JobDetail, said: string, call: () => Promise<JobDetail>): Promise<void> {
  try {
    cache.setQueryData(keys.job(job.id), await call());
    toast(said);
    void cache.invalidateQueries({ queryKey: keys.jobs().slice(0, 1) });
  } catch (error) { toastError(error); }
}

export const retryJob = (cache: QueryClient, job: JobDetail, fresh = false): Promise<void> =>
  tried(cache, job, job.completedAt ? (fresh ? "It runs again from the beginning" : "It runs again") : "It runs as soon as there is a place", () =>
    answer(client.POST("/api/jobs/{id}/retry", { ...at(job), body: { fresh } })));

export async function cancelJob(cache: QueryClient, job: JobDetail, force = false): Promise<void> {
  const runs = job.status === "running";
  const children = force ? "It is ended at once, without a chance to end in good order." : runs ? "It is asked to stop; it may take its time for that." : "It waits, and will never run.";
  if (!(await confirm({ title: force ? "Kill this job?" : "Cancel this job?", verb: force ? "Kill it" : runs ? "Stop it" : "Cancel it", danger: force, children }))) return;
  await tried(cache, job, runs ? (force ? "It is being killed" : "It was asked to stop") : "It is cancelled", () => answer(client.POST("/api/jobs/{id}/cancel", { ...at(job), body: { force } })));
}

export async function moveJob(cache: QueryClient, job: JobDetail): Promise<void> {
  const queue = await askQueue();
  if (queue !== null) await tried(cache, job, `It is in ${queue} now`, () => answer(client.PATCH("/api/jobs/{id}", { ...at(job), body: { queue } as never })));
}

export async function reprioritiseJob(cache: QueryClient, job: JobDetail): Promise<void> {
  const priority = await askPriority(job.priority);
  if (priority !== null) await tried(cache, job, `Its priority is ${priority} now`, () => answer(client.PATCH("/api/jobs/{id}", { ...at(job), body: { priority } as never })));
}

export async function deleteJob(cache: QueryClient, job: JobDetail, leave: () => void): Promise<void> {
  if (!(await confirm({ title: "Delete this job?", verb: "Delete it", danger: true, children: "It, its attempts and its log are gone for good." }))) return;
  leave();
  undoable(`${nameOf(job)} will be deleted`, async () => {
    await answer(client.DELETE("/api/jobs/{id}", at(job)));
    toast(`${nameOf(job)} is deleted`);
    void cache.invalidateQueries({ queryKey: keys.jobs().slice(0, 1) });
  });
}
