import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Card } from "../../components/Page";
import { StatusBadge } from "../../components/StatusBadge";
import { Time } from "../../components/Time";
import { nameOf } from "../jobs/name";
import classes from "./overview.module.css";
import { asked } from "./questions";

const SHOWN = 8;

/** The jobs that were made last, as they go. */
export function Latest() {
  const { data } = useQuery(asked.latest());
  return (
    <Card title="Latest jobs" actions={<Link to="/jobs">All jobs</Link>}>
      {!data?.jobs.length ? <p className="dim small" style={{ margin: 0 }}>{data ? "No job has been made yet." : "…"}</p> : (
        <ol className={classes.list}>
          {data.jobs.slice(0, SHOWN).map((one) => (
            <li key={one.id}>
              <StatusBadge status={one.status} />
              <span className="cut" title={nameOf(one)}><Link to="/jobs/$id" params={{ id: one.id }}>{nameOf(one)}</Link></span>
              <span className={classes.end}><Time at={one.createdAt} /></span>
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}
