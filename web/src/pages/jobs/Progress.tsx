import type { JobOut } from "../../api/schema";
import { Time } from "../../components/Time";
import classes from "./Progress.module.css";

/** How far a running job is, and when it will be done, as far as anybody knows. */
export function Progress({ job, wide }: { job: JobOut; wide?: boolean }) {
  const { progress, eta } = job;
  const value = progress?.value ?? null;
  const percent = value === null ? null : Math.round(100 * Math.min(1, Math.max(0, value)));
  if (percent === null && !progress?.message && !eta?.at) return null;
  return (
    <span className={classes.progress} data-wide={wide || undefined}>
      {percent !== null && (
        <>
          <span className={classes.bar} role="progressbar" aria-label="Progress" aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100}><span style={{ width: `${percent}%` }} /></span>
          <span className="nowrap">{percent}%</span>
        </>
      )}
      {progress?.message && <span className={wide ? undefined : "cut"} title={progress.message}><bdi>{progress.message}</bdi></span>}
      {eta?.at && <span className="dim nowrap">ends <Time at={eta.at} />{eta.basis === "history" && ", as usual"}</span>}
    </span>
  );
}
