import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Card } from "../../components/Page";
import { Time } from "../../components/Time";
import { countText } from "../../lib/time";
import classes from "./overview.module.css";
import { asked, type Window } from "./questions";

/** Recent failures, those that say the same together. */
export function Errors({ window }: { window: Window }) {
  const { data } = useQuery(asked.errors(window));
  return (
    <Card title="Recent errors" actions={<Link to="/jobs" search={{ status: "failed" }}>Failed jobs</Link>}>
      {!data?.errors.length ? <p className="dim small" style={{ margin: 0 }}>{data ? "Nothing failed." : "…"}</p> : (
        <ol className={classes.list}>
          {data.errors.map((one) => (
            <li key={`${one.fingerprint} ${one.queue} ${one.jobType}`}>
              <span className={classes.count} title={`${one.count} times`}>{countText(one.count)}×</span>
              <span className={classes.message}>
                <Link to="/jobs/$id" params={{ id: one.lastJobId }}>{one.message || "without a message"}</Link>
                <span className="dim small">{[one.jobType, one.queue].filter(Boolean).join(" in ")}</span>
              </span>
              <span className={classes.end}><Time at={one.lastAt} /></span>
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}
