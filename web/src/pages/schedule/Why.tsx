import { useQuery } from "@tanstack/react-query";
import type { ScheduleOut } from "../../api/schema";
import { Icon } from "../../components/Icon";
import { Time } from "../../components/Time";
import { shortTime } from "../../lib/time";
import { ofSchedule } from "./queries";
import classes from "./schedule.module.css";

const INSTANT = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;
/** The service's sentence as one of this page: a capital, and the viewer's clock. */
const onThisClock = (text: string) => text.charAt(0).toUpperCase() + text.slice(1).replace(INSTANT, (at) => shortTime(at));

/** Who paused it and why; else why it did or did not run last, and when it will: the service's own sentence. */
export function Why({ schedule }: { schedule: ScheduleOut }) {
  const { data } = useQuery({ ...ofSchedule.why(schedule.id), enabled: !schedule.paused });
  if (!schedule.paused) return <div className={classes.why} data-calm="">{data ? onThisClock(data.text) : <span className="dim">…</span>}</div>;
  return (
    <div className={classes.why}>
      <span className="row" style={{ flexWrap: "nowrap", alignItems: "flex-start" }}><Icon name="pause" size={15} /><span>
        Paused <Time at={schedule.pausedAt} />{schedule.pausedBy && <> by <b>{schedule.pausedBy}</b></>}{schedule.resumeAt && <>, resumes <Time at={schedule.resumeAt} form="both" /></>}{schedule.pausedNote && <>: <bdi>{schedule.pausedNote}</bdi></>}
      </span></span>
    </div>
  );
}
