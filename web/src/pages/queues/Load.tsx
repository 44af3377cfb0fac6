import type { QueueOut } from "../../api/schema";
import { countText } from "../../lib/time";
import classes from "./Load.module.css";

/** How many run, of how many may where there is a limit. */
export function Load({ queue }: { queue: QueueOut }) {
  const { running } = queue.counts;
  const of = queue.concurrency;
  if (of === null) return <span className={running ? undefined : "dim"}>{countText(running)}</span>;
  return (
    <span className={classes.load}>
      <span className={classes.bar} role="img" aria-label={`${running} of ${of} places taken`}>
        <span style={{ width: `${of ? Math.min(100, (100 * running) / of) : 100}%` }} data-full={running >= of || undefined} />
      </span>
      <span className="nowrap">{countText(running)} of {countText(of)}</span>
    </span>
  );
}
