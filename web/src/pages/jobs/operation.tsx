import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { answer, client } from "../../api/client";
import { ApiError } from "../../api/errors";
import type { OperationOut } from "../../api/schema";
import { toastError } from "../../components/toasts";
import { newKey } from "../../lib/key";
import classes from "./Progress.module.css";

const LOOK_EVERY_MS = 500;
const ASK_AGAIN_MS = 2000;
/** What was done to so many is told to the last one: "30,000 jobs". */
const exact = (n: number): string => n.toLocaleString();
const jobs = (n: number): string => (n === 1 ? "1 job" : `${exact(n)} jobs`);
/** Those that this page follows: nobody is told twice. */
const followedHere = new Set<string>();
export const isFollowed = (id: string): boolean => followedHere.has(id);

type Shown = { title: string; of: string; share: number | null };

/** Say that something on many is under way; `stop` is offered as soon as it is known how. */
function show(id: string, { title, of, share }: Shown, stop: (() => void) | null): void {
  const percent = share === null ? null : Math.round(100 * Math.min(1, Math.max(0, share)));
  const said = {
    id, autoClose: false as const, withCloseButton: false, loading: true, color: "petrol", title,
    message: (
      <span className={classes.progress} data-wide="">
        {percent !== null && <span className={classes.bar} role="progressbar" aria-label={title} aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100}><span style={{ width: `${percent}%` }} /></span>}
        <span className="nowrap">{of}</span>
        {stop && <Button size="compact-xs" variant="light" aria-label={`Stop: ${title}`} onClick={stop}>Stop</Button>}
      </span>
    ),
  };
  notifications.show(said); // does nothing where it stands already
  notifications.update(said);
}

const shownOf = (one: OperationOut, verb: string): Shown => ({
  title: `${verb} ${one.matchedIsEstimate ? "more than " : ""}${jobs(one.matched)}`,
  of: `${exact(one.lookedAt)} of ${exact(one.matched)}${one.skipped ? `, ${exact(one.skipped)} left as they are` : ""}`,
  share: one.matchedIsEstimate || one.matched === 0 ? null : one.lookedAt / one.matched,
});

/** Say that it begins, before the service has answered; gives the notice, for `followed` to go on with and `ended` to take away. */
export function begun(verb: string, count: number): string {
  const notice = newKey();
  show(notice, { title: `${verb} ${jobs(count)}`, of: "begins …", share: 0 }, null);
  return notice;
}
export const ended = (notice: string): void => { notifications.hide(notice); };

/** Show how far an operation on many jobs is, until it has ended, and drive it where nobody else does; gives what became of it. */
export async function followed(id: string, verb: string, mayDrive: boolean, notice = id): Promise<OperationOut> {
  const params = { path: { id } };
  const stop = () => { answer(client.POST("/api/operations/{id}/cancel", { params })).catch(toastError); };
  followedHere.add(id);
  try {
    for (;;) {
      const one = await look(id, mayDrive);
      if (one === null) { await new Promise((go) => setTimeout(go, ASK_AGAIN_MS)); continue; }
      if (one.done) return one;
      show(notice, shownOf(one, verb), mayDrive ? stop : null);
      await new Promise((go) => setTimeout(go, LOOK_EVERY_MS));
    }
  } finally {
    followedHere.delete(id);
    ended(notice);
  }
}

/** How far it is; null while the service is away: the operation goes on when it is back. */
async function look(id: string, mayDrive: boolean): Promise<OperationOut | null> {
  const params = { path: { id } };
  try {
    return await answer(mayDrive ? client.POST("/api/operations/{id}/continue", { params }) : client.GET("/api/operations/{id}", { params }));
  } catch (error) {
    if (error instanceof ApiError && (error.unreachable || error.status === 503)) return null;
    throw error;
  }
}

/** What became of an operation, in a sentence with its counts. */
export function resultOf(one: OperationOut, done: string): string {
  const changed = `${jobs(one.changed)} ${done}`;
  const skipped = one.skipped ? `; ${exact(one.skipped)} could not be, and stay as they are` : "";
  if (one.status === "failed") throw new Error(`${one.error ?? "The operation failed"}; ${changed}`);
  if (one.status === "cancelled") return `Stopped: ${changed}, of ${one.matchedIsEstimate ? "more than " : ""}${exact(one.matched)}${skipped}`;
  return changed + skipped;
}
