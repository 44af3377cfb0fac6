import { answer, client } from "../../api/client";
import type { QueueOut } from "../../api/schema";
import { confirm } from "../../components/Confirm";
import { askPause } from "../../components/PauseDialog";
import { toast, toastError } from "../../components/toasts";
import { plural } from "../../lib/time";
import { depthText } from "./words";

const at = (name: string) => ({ params: { path: { name } } });

async function tried(work: () => Promise<void>): Promise<void> {
  try { await work(); } catch (error) { toastError(error); }
}

/** Pause after asking why; `done` is told when something changed. */
export const pauseQueue = (name: string, done: () => void) => tried(async () => {
  const said = await askPause(`Pause ${name}?`, "What runs goes on; nothing more of this queue starts.");
  if (said === null) return;
  await answer(client.POST("/api/queues/{name}/pause", { ...at(name), body: said }));
  toast(`${name} is paused`, () => void resumeQueue(name, done));
  done();
});

export const resumeQueue = (name: string, done: () => void) => tried(async () => {
  await answer(client.POST("/api/queues/{name}/resume", at(name)));
  toast(`${name} goes on`);
  done();
});

export const retryFailed = (queue: QueueOut, done: () => void) => tried(async () => {
  const count = queue.counts.failed;
  if (!(await confirm({ title: `Retry the failed jobs of ${queue.name}?`, verb: `Retry ${depthText(count)}`, children: "Each runs again with fresh attempts; its history stays." }))) return;
  const said = await answer(client.POST("/api/queues/{name}/retry-failed", at(queue.name)));
  toast(`${plural(said.changed, "job")} will run again`);
  done();
});

export const deleteFailed = (queue: QueueOut, done: () => void) => tried(async () => {
  const count = queue.counts.failed;
  if (!(await confirm({ title: `Delete the failed jobs of ${queue.name}?`, verb: `Delete ${depthText(count)}`, danger: true, children: "They and their logs are gone for good." }))) return;
  const said = await answer(client.POST("/api/queues/{name}/delete-failed", at(queue.name)));
  toast(`${plural(said.changed, "job")} deleted`);
  done();
});

export const pauseKey = (queue: string, key: string, done: () => void) => tried(async () => {
  const said = await askPause(`Pause the key ${key}?`, "What runs goes on; nothing more of this key starts in this queue.");
  if (said === null) return;
  await answer(client.POST("/api/queues/{name}/keys/{key}/pause", { params: { path: { name: queue, key } }, body: said }));
  toast(`${key} is paused`, () => void resumeKey(queue, key, done));
  done();
});

export const resumeKey = (queue: string, key: string, done: () => void) => tried(async () => {
  await answer(client.POST("/api/queues/{name}/keys/{key}/resume", { params: { path: { name: queue, key } } }));
  toast(`${key} goes on`);
  done();
});
