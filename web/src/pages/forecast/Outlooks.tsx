import { Button } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useState } from "react";
import type { OutlookOut } from "../../api/schema";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { StatusBadge } from "../../components/StatusBadge";
import { Time } from "../../components/Time";
import { countText, durationText, plural } from "../../lib/time";
import classes from "./forecast.module.css";

const STEP = 100;
const AFTER = 3;
const COLUMNS: readonly Column<OutlookOut>[] = [
  { key: "id", title: "Schedule", phone: "title", cell: (one) => <span className={classes.name}><Link to="/schedules/$id" params={{ id: one.id }}>{one.id}</Link>{one.shadow && <StatusBadge status="shadow" title="It only observes: not counted" />}</span> },
  { key: "next", title: "Next", width: "14rem", cell: (one) => <Next one={one} /> },
  { key: "then", title: "Then", phone: "hide", cell: (one) => <span className={`${classes.times} dim small`}>{one.next.slice(1, 1 + AFTER).map((at) => <Time key={at} at={at} form="local" />)}{one.count > 1 + AFTER && <span>and {countText(one.count - 1 - AFTER)} more</span>}</span> },
  { key: "count", title: "Starts", width: "5.5rem", align: "right", cell: (one) => (one.shadow ? <span className="dim" title="It would start so often, if it were live">({countText(one.count)})</span> : countText(one.count)) },
  { key: "takes", title: "Takes", width: "9rem", align: "right", cell: (one) => <Takes one={one} /> },
  { key: "queue", title: "Queue", width: "9rem", cell: (one) => <Link to="/queues/$name" params={{ name: one.queue }}>{one.queue}</Link> },
];
const idOf = (one: OutlookOut) => one.id;

function Next({ one }: { one: OutlookOut }) {
  if (one.paused && !one.next.length) return <StatusBadge status="paused" />;
  const held = one.blackouts.reduce((sum, each) => sum + each.count, 0);
  return (
    <span className={classes.times}>
      <Time at={one.next[0]} form="both" none="none in this time" />
      {held > 0 && <span className="dim small" title={one.blackouts.map((each) => each.calendar).join(", ")}>{plural(held, "instant")} kept by calendars</span>}
    </span>
  );
}

function Takes({ one }: { one: OutlookOut }) {
  if (!one.expected) return <span className="dim">not known yet</span>;
  const { p50Ms, p90Ms, runs } = one.expected;
  return <span title={`Half of the last ${plural(runs, "run")} took up to ${durationText(p50Ms)}, nine of ten up to ${durationText(p90Ms)}`}>{durationText(p50Ms)}{p90Ms > 1.5 * p50Ms && <span className="dim small"> – {durationText(p90Ms)}</span>}</span>;
}

/** What each schedule will do, those due first at the top. */
export function Outlooks({ outlooks }: { outlooks: readonly OutlookOut[] }) {
  const [most, setMost] = useState(STEP);
  const navigate = useNavigate();
  const open = useCallback((one: OutlookOut) => void navigate({ to: "/schedules/$id", params: { id: one.id } }), [navigate]);
  return (
    <>
      <DataTable label="What runs when" columns={COLUMNS} rows={outlooks.slice(0, most)} rowId={idOf} onOpen={open} empty={<EmptyState icon="forecast" title="Nothing is due in this time">Schedules appear here with every start that they will make.</EmptyState>} />
      {outlooks.length > most && <div><Button variant="default" size="xs" onClick={() => setMost(most + STEP)}>Show {Math.min(STEP, outlooks.length - most)} more of {countText(outlooks.length)}</Button></div>}
    </>
  );
}
