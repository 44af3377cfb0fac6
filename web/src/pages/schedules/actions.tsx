import { answer, client } from "../../api/client";
import type { ScheduleActionIn, ScheduleOut } from "../../api/schema";
import { confirm } from "../../components/Confirm";
import { askPause } from "../../components/PauseDialog";
import { toast, toastError } from "../../components/toasts";
import { newKey } from "../../lib/key";
import { plural } from "../../lib/time";
import { router } from "../../router";

/** So many the service takes in one request. */
const AT_ONCE = 1000;
const at = (id: string) => ({ params: { path: { id } } });
const key = () => ({ "Idempotency-Key": newKey() });

async function tried(work: () => Promise<void>): Promise<void> {
  try { await work(); } catch (error) { toastError(error); }
}

/** "nightly", or "3 schedules". */
const named = (ids: readonly string[]) => (ids.length === 1 ? (ids[0] ?? "") : plural(ids.length, "schedule"));
const are = (ids: readonly string[]) => (ids.length === 1 ? "is" : "are");

/** One action on all of them in one request; gives those that it changed. */
async function act(action: ScheduleActionIn["action"], ids: readonly string[], more: Partial<ScheduleActionIn> = {}): Promise<string[]> {
  const changed: string[] = [];
  for (let first = 0; first < ids.length; first += AT_ONCE) {
    const said = await answer(client.POST("/api/schedules/actions", { body: { action, ids: ids.slice(first, first + AT_ONCE), ...more } }));
    changed.push(...said.changed.map((one) => one.id));
    if (said.unknown.length) toastError(new Error(`${named(said.unknown)} ${are(said.unknown)} not there any more`));
  }
  return changed;
}

/** Pause after asking why, once for all of them; `done` is told when something changed. What was paused before stays as it is, undone too. */
export const pauseSchedules = (ids: readonly string[], done: () => void) => tried(async () => {
  const said = await askPause(`Pause ${named(ids)}?`, "What runs goes on. What is due meanwhile is accounted for as paused, and does not run later.");
  if (said === null) return;
  try {
    const paused = await act("pause", ids, said);
    if (paused.length) toast(`${named(paused)} ${are(paused)} paused`, () => void resumeSchedules(paused, done));
    else toast(ids.length === 1 ? "It is paused already" : "They are paused already");
  } finally { done(); }
});

export const resumeSchedules = (ids: readonly string[], done: () => void) => tried(async () => {
  try {
    const gone = await act("resume", ids);
    toast(gone.length ? `${named(gone)} ${gone.length === 1 ? "goes" : "go"} on` : "None was paused");
  } finally { done(); }
});

/** End the shadow, which cannot be taken back: jobs are made from then on. */
export const goLive = (ids: readonly string[], done: () => void) => tried(async () => {
  const sure = await confirm({
    title: `Let ${named(ids)} go live?`, verb: "Go live", ...(ids.length === 1 ? {} : { count: ids.length }),
    children: `Stop ${ids.length === 1 ? "it" : "them"} in the old system first, or ${ids.length === 1 ? "its" : "their"} work is done twice. What was due up to now does not run; what is due from now on does.`,
  });
  if (!sure) return;
  try {
    const live = await act("goLive", ids);
    toast(live.length ? `${named(live)} ${are(live)} live` : "None was in the shadow");
  } finally { done(); }
});

/** Run the job of a schedule beside its timetable; leads to it, or says where it is. */
export const runNow = (id: string, done: () => void, stay = false) => tried(async () => {
  const made = await answer(client.POST("/api/schedules/{id}/trigger", { params: { path: { id }, header: key() } }));
  const open = () => void router.navigate({ to: "/jobs/$id", params: { id: made.id } });
  toast(`${id} runs now`, stay ? open : undefined, "Open");
  done();
  if (!stay) open();
});

export const deleteSchedule = (schedule: ScheduleOut, waiting: number, done: () => void) => tried(async () => {
  const { id, runs } = schedule;
  void router.preloadRoute({ to: "/schedules" }); // what is gone is left at once, before it is asked for again
  const sure = await confirm({
    title: `Delete ${id}?`, verb: "Delete", danger: true,
    children: <>It has run {plural(runs, "time")} and never fires again.{waiting > 0 && ` ${plural(waiting, "job")} of it waits or runs, and goes on.`} Its jobs, its history and its versions stay; to bring it back, roll back to a version.</>,
  });
  if (!sure) return;
  await answer(client.DELETE("/api/schedules/{id}", at(id)));
  toast(`${id} is deleted`);
  done();
});

export const rollBack = (id: string, version: number, done: () => void) => tried(async () => {
  if (!(await confirm({ title: `Make ${id} what it was in version ${version}?`, verb: "Roll back", children: "It becomes the next version. It stays paused or not, as it is, and nothing that ran runs again." }))) return;
  const saved = await answer(client.POST("/api/schedules/{id}/rollback", { ...at(id), body: { version, takeOver: false } }));
  toast(`${id} is version ${saved.version}, the same as ${version}`);
  done();
});
