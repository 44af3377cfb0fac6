import { Link } from "@tanstack/react-router";
import type { ListedSchedule } from "../../api/schema";
import type { Column } from "../../components/DataTable";
import { StatusBadge } from "../../components/StatusBadge";
import { Strip } from "../../components/Strip";
import { Time } from "../../components/Time";
import classes from "./schedules.module.css";
import { cellsOf, dueOf, fateOf, fateText, IN_SHADOW, onTime, stateOf } from "./words";

export const RECENT = 20;

export const COLUMNS: readonly Column<ListedSchedule>[] = [
  { key: "id", title: "Schedule", phone: "title", cell: (one) => <Name one={one} /> },
  { key: "state", title: "State", width: "10rem", cell: (one) => <State one={one} /> },
  { key: "next", title: "Next run", width: "10rem", cell: (one) => <Next one={one} /> },
  { key: "last", title: "Last outcome", width: "9rem", cell: (one) => <Last one={one} /> },
  { key: "recent", title: `Last ${RECENT}`, width: "13rem", cell: (one) => <Past one={one} /> },
];

function Name({ one }: { one: ListedSchedule }) {
  return (
    <div className={classes.name}>
      <Link to="/schedules/$id" params={{ id: one.id }} className="strong">{one.id}</Link>
      <span className="dim small">{one.description ?? "a rule that cannot be read"}</span>
    </div>
  );
}

function State({ one }: { one: ListedSchedule }) {
  return (
    <div className={classes.name}>
      <span className={classes.states}><StatusBadge {...stateOf(one)} />{one.paused && one.shadow && <StatusBadge status="shadow" title={IN_SHADOW} />}</span>
      {one.paused && (one.pausedBy || one.pausedNote) && <span className={`dim tiny ${classes.why}`} title={one.pausedNote ?? undefined}>{[one.pausedBy && `by ${one.pausedBy}`, one.pausedNote].filter(Boolean).join(": ")}</span>}
      {one.paused && one.resumeAt && <span className="dim tiny">resumes <Time at={one.resumeAt} /></span>}
    </div>
  );
}

function Next({ one }: { one: ListedSchedule }) {
  if (one.paused || !one.nextAt) return <span className="dim">none</span>;
  return <div className={classes.name}><Time at={one.nextAt} /><span className="dim tiny">{one.shadow ? "only observed" : <Time at={one.nextAt} form="local" />}</span></div>;
}

function Last({ one }: { one: ListedSchedule }) {
  const last = one.recent?.[0];
  if (!last) return <span className="dim">nothing was due</span>;
  const badge = <StatusBadge status={fateOf(last)} title={fateText(last)} />;
  return (
    <div className={classes.name}>
      <span>{last.jobId && last.jobStatus ? <Link to="/jobs/$id" params={{ id: last.jobId }}>{badge}</Link> : badge}</span>
      <span className="dim tiny"><Time at={last.to ?? dueOf(last)} /></span>
    </div>
  );
}

function Past({ one }: { one: ListedSchedule }) {
  const rate = onTime(one.recent ?? []);
  return (
    <div className={classes.name}>
      <Strip cells={cellsOf(one.recent ?? [])} size={RECENT} label={`The last instants of ${one.id}`} />
      {rate && <span className="dim tiny" title="Runs that began within a minute of when they were due">{rate.good} of {rate.of} on time</span>}
    </div>
  );
}
