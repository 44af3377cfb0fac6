import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@mantine/core";
import { useMe } from "../../api/queries";
import type { OccurrenceOut, ScheduleOut } from "../../api/schema";
import { Icon } from "../../components/Icon";
import { Card } from "../../components/Page";
import { Time } from "../../components/Time";
import { countText, plural } from "../../lib/time";
import { Compare } from "../schedules/Compare";
import { dueOf, fateOf } from "../schedules/words";
import { ofSchedule } from "./queries";

/** What the shadow means, what it would have run so far, and whether that is what the old system ran. */
export function Shadow({ schedule }: { schedule: ScheduleOut }) {
  const { data } = useQuery(ofSchedule.occurrences(schedule.id));
  const [open, setOpen] = useState(false);
  const { may } = useMe();
  const seen = (data?.occurrences ?? []).filter((one) => fateOf(one) === "observed");
  return (
    <Card title="In the shadow" actions={may("compareSchedules") && <Button size="xs" variant="default" aria-expanded={open} leftSection={<Icon name="eye" size={14} />} onClick={() => setOpen(!open)}>Compare with a log</Button>}>
      <div className="stack">
        <p className="small" style={{ margin: 0 }}>It only observes: what is due is decided and written down, and makes no job, so that the old system can go on beside it. From when it goes live, what is due runs here.</p>
        <p className="small" style={{ margin: 0 }}><Seen seen={seen} all={!data?.nextCursor} loaded={data !== undefined} /></p>
        {open && <Compare key={schedule.id} ids={[schedule.id]} timezone={schedule.timezone} />}
      </div>
    </Card>
  );
}

function Seen({ seen, all, loaded }: { seen: readonly OccurrenceOut[]; all: boolean; loaded: boolean }) {
  const latest = seen[0];
  const first = seen.at(-1);
  if (!loaded) return <span className="dim">…</span>;
  if (!latest || !first) return <>Nothing was due since it is in the shadow.</>;
  const times = seen.reduce((sum, one) => sum + (one.count ?? 1), 0);
  return <>It would have run <b>{all ? "" : "at least "}{times === 1 ? "once" : `${countText(times)} times`}</b> since <Time at={dueOf(first)} form="both" />{times > 1 && <>, last <Time at={latest.to ?? dueOf(latest)} form="both" /></>}{seen.some((one) => one.from && one.count === null) && `, and ${plural(seen.filter((one) => one.from && one.count === null).length, "range")} that nobody can count any more`}.</>;
}
