import { Link } from "@tanstack/react-router";
import { useQuery } from "@tanstack/react-query";
import type { ProblemOut } from "../../api/schema";
import { ErrorNote } from "../../components/ErrorNote";
import { Icon } from "../../components/Icon";
import { StatusBadge } from "../../components/StatusBadge";
import { Time } from "../../components/Time";
import { Told } from "../../components/Told";
import { kindOf } from "../monitors/words";
import classes from "./overview.module.css";
import { asked } from "./questions";

/** What needs a look, worst first; one calm line where nothing does. */
export function Problems() {
  const { data, error, refetch } = useQuery(asked.problems());
  if (error) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (!data) return <div className={classes.calm} aria-busy="true">Looking for problems …</div>;
  if (data.problems.length === 0) return <div className={classes.calm}><Icon name="check" size={18} /> Nothing needs a look. <Link to="/monitors" className={classes.end}>Monitors</Link></div>;
  return (
    <section className={classes.problems} aria-label="Problems">
      <header className={classes.head}><h2>{data.total === 1 ? "One thing needs a look" : `${data.total} things need a look`}</h2><Link to="/monitors" className="small">Monitors</Link></header>
      <ul>
        {data.problems.map((one) => (
          <li key={`${one.kind} ${one.subject.kind} ${one.subject.id}`}>
            <StatusBadge status={one.severity} label={kindOf(one.kind)} />
            <span className={classes.text}><Subject one={one} /></span>
            {one.since && <span className="dim small nowrap"><Time at={one.since} /></span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Subject({ one }: { one: ProblemOut }) {
  const { kind, id } = one.subject;
  const said = <Told text={one.text} />;
  if (kind === "schedule") return <Link to="/schedules/$id" params={{ id }}>{said}</Link>;
  if (kind === "queue") return <Link to="/queues/$name" params={{ name: id }}>{said}</Link>;
  if (kind === "job") return <Link to="/jobs/$id" params={{ id }}>{said}</Link>;
  if (kind === "type") return <Link to="/job-types/$" params={{ _splat: id }}>{said}</Link>;
  if (kind === "check") return <Link to="/checks/$id" params={{ id }}>{said}</Link>;
  if (kind === "worker") return <Link to="/workers">{said}</Link>;
  return said;
}
