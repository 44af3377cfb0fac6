import type { QueryClient } from "@tanstack/react-query";
import { answer, client } from "../../api/client";
import { messageOf } from "../../api/errors";
import { keys } from "../../api/keys";
import type { ActionIn } from "../../api/schema";
import { confirm } from "../../components/Confirm";
import type { Filters } from "../../components/filters";
import { toast, toastError } from "../../components/toasts";
import { undoable } from "../../components/undoable";
import { newKey } from "../../lib/key";
import { plural } from "../../lib/time";
import { filterIn } from "./filters";
import { begun, ended, followed, isFollowed, resultOf } from "./operation";

export type Verb = "retry" | "cancel" | "delete" | "move" | "reprioritise";
/** What is to be done, with what it takes. */
export type Act = { verb: Verb; queue?: string; priority?: number };

/** An operation on one job for each verb; a role may do it to many who may do it to one. */
export const OPERATIONS: Record<Verb, string> = { retry: "retryJob", cancel: "cancelJob", delete: "deleteJob", move: "editJob", reprioritise: "editJob" };
const WORDS: Record<Verb, { verb: string; done: string; what: string }> = {
  retry: { verb: "Retry", done: "will run again", what: "Each that has ended runs again with fresh attempts, each scheduled one at once; its history stays." },
  cancel: { verb: "Cancel", done: "cancelled or asked to stop", what: "What waits never runs; what runs is asked to stop. What has ended stays as it is." },
  delete: { verb: "Delete", done: "deleted", what: "They and their logs are gone for good. What runs stays." },
  move: { verb: "Move", done: "moved", what: "Those that wait go to the other queue." },
  reprioritise: { verb: "Change", done: "changed", what: "Of two that wait, the one with the larger priority starts first." },
};
const AT_ONCE = 6;

/** Ask, then do it to some jobs by their ids; `done` comes when all have answered. */
export async function actOnSome(cache: QueryClient, act: Act, ids: readonly string[], done: () => void): Promise<void> {
  const { verb, what } = WORDS[act.verb];
  if (!(await confirm({ title: `${titleOf(act)}?`, verb, count: ids.length, danger: act.verb === "delete", children: what }))) return;
  const run = async () => { await each(cache, act, ids); };
  done();
  if (act.verb === "delete") undoable(`${plural(ids.length, "job")} will be deleted`, run);
  else await run();
}

async function each(cache: QueryClient, act: Act, ids: readonly string[]): Promise<void> {
  const waiting = [...ids];
  const refused: unknown[] = [];
  const work = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      try { await one(act, id); } catch (error) { refused.push(error); }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const changed = ids.length - refused.length;
  if (changed) toast(`${plural(changed, "job")} ${WORDS[act.verb].done}`);
  if (refused.length) toastError(new Error(`${plural(refused.length, "job")} not: ${messageOf(refused[0])}`));
  void cache.invalidateQueries({ queryKey: keys.jobs().slice(0, 1) });
}

async function one(act: Act, id: string): Promise<void> {
  const params = { path: { id } };
  if (act.verb === "retry") await answer(client.POST("/api/jobs/{id}/retry", { params }));
  else if (act.verb === "cancel") await answer(client.POST("/api/jobs/{id}/cancel", { params }));
  else if (act.verb === "delete") await answer(client.DELETE("/api/jobs/{id}", { params }));
  else await answer(client.PATCH("/api/jobs/{id}", { params, body: (act.verb === "move" ? { queue: act.queue } : { priority: act.priority }) as never }));
}

/** Count what matches, ask with that number, then do it to all; a long one is followed to its end. */
export async function actOnAll(cache: QueryClient, act: Act, filters: Filters, done: () => void): Promise<void> {
  const { verb, what } = WORDS[act.verb];
  const body = { action: act.verb, filter: filterIn(filters), ...(act.queue ? { queue: act.queue } : {}), ...(act.priority === undefined ? {} : { priority: act.priority }) } as ActionIn;
  try {
    const counted = await send({ ...body, dryRun: true });
    if (counted.matched === 0) { toast(`Nothing that matches can be ${act.verb === "retry" ? "retried" : WORDS[act.verb].done}`); return; }
    const about = counted.matchedIsEstimate ? "More than that may match: they are counted up to here. " : "";
    if (!(await confirm({ title: `${titleOf(act)}, all that match?`, verb, count: counted.matched, danger: act.verb === "delete", children: about + what }))) return;
    const run = async () => { await finish(cache, act, body, counted.matched); };
    done();
    if (act.verb === "delete") undoable(`${plural(counted.matched, "job")} will be deleted`, run);
    else await run();
  } catch (error) { toastError(error); }
}

const send = (body: ActionIn) => answer(client.POST("/api/jobs/actions", { params: { header: { "Idempotency-Key": newKey() } }, body }));

async function finish(cache: QueryClient, act: Act, body: ActionIn, count: number): Promise<void> {
  const { verb } = WORDS[act.verb];
  const notice = begun(verb, count);
  try {
    const said = await send(body);
    if (said.operation) await follow(cache, said.operation, act.verb, true, notice);
    else toast(`${plural(said.changed, "job")} ${WORDS[act.verb].done}`);
  } catch (error) { toastError(error); } finally { ended(notice); }
}

/** Follow an operation to its end, and say what became of it; also one that was begun before this page was opened. */
export async function follow(cache: QueryClient, id: string, action: Verb, mayDrive: boolean, notice?: string): Promise<void> {
  if (isFollowed(id)) return;
  const { verb, done } = WORDS[action];
  try {
    toast(resultOf(await followed(id, verb, mayDrive, notice), done));
  } catch (error) { toastError(error); }
  void cache.invalidateQueries({ queryKey: keys.jobs().slice(0, 1) });
}

const titleOf = (act: Act): string =>
  act.verb === "move" ? `Move these jobs to ${act.queue}` : act.verb === "reprioritise" ? `Give these jobs priority ${act.priority}` : `${WORDS[act.verb].verb} these jobs`;
