import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { Card } from "../../components/Page";
import { Time } from "../../components/Time";
import { useNow } from "../../lib/now";
import { durationText } from "../../lib/time";
import classes from "./overview.module.css";
import { asked } from "./questions";

const SHOWN = 8;

/** The first instants of a schedule that have not passed; they are in order. */
function comingOf(next: readonly string[], now: number): readonly string[] {
  const from = next.findIndex((at) => Date.parse(at) > now);
  return from < 0 ? [] : next.slice(from, from + SHOWN);
}

/** What fires next, and how long it is expected to run. */
export function NextDue() {
  const { data } = useQuery(asked.due());
  const now = useNow(5000);
  const next = useMemo(() => (data?.schedules ?? [])
    .filter((one) => !one.paused && !one.shadow)
    .flatMap((one) => comingOf(one.next, now).map((at) => ({ id: one.id, at, expected: one.expected })))
    .sort((a, b) => Date.parse(a.at) - Date.parse(b.at)).slice(0, SHOWN), [data, now]);
  return (
    <Card title="Next due" actions={<Link to="/forecast">Forecast</Link>}>
      {next.length === 0 ? <p className="dim small" style={{ margin: 0 }}>{data ? "Nothing is due within a day." : "…"}</p> : (
        <ol className={classes.list}>
          {next.map((one) => (
            <li key={`${one.id} ${one.at}`}>
              <span className="cut" title={one.id}><Link to="/schedules/$id" params={{ id: one.id }}>{one.id}</Link></span>
              {one.expected && <span className="dim small nowrap">about {durationText(one.expected.p50Ms)}</span>}
              <span className={classes.end}><Time at={one.at} /></span>
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}
