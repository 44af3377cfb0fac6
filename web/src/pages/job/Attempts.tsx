import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { AttemptOut } from "../../api/schema";
import { CopyButton } from "../../components/CopyButton";
import { Card } from "../../components/Page";
import { StatusBadge } from "../../components/StatusBadge";
import { Duration, Time } from "../../components/Time";
import classes from "./Attempts.module.css";

const SHOWN = 10;

/** Every start of a job, the latest first: where it ran, how it ended, and the trace of what went wrong. */
export function Attempts({ attempts, max, hidden }: { attempts: readonly AttemptOut[]; max: number; hidden: boolean }) {
  const [whole, setWhole] = useState(false);
  if (attempts.length === 0) return null;
  const latest = [...attempts].sort((one, other) => other.attempt - one.attempt);
  const shown = whole ? latest : latest.slice(0, SHOWN);
  return (
    <Card title="Attempts" pad={false} actions={<span className="dim small">{attempts.length > max ? `${attempts.length}, retried by hand` : `${attempts.length} of at most ${max}`}</span>}>
      <ol className={classes.list} aria-label="Attempts">{shown.map((one) => <Attempt key={one.attempt} one={one} hidden={hidden} />)}</ol>
      {shown.length < latest.length && <div style={{ padding: "0.5rem 1rem" }}><Button size="xs" variant="subtle" onClick={() => setWhole(true)}>Show all {latest.length}</Button></div>}
    </Card>
  );
}

function Attempt({ one, hidden }: { one: AttemptOut; hidden: boolean }) {
  const detail = hidden ? null : one.errorDetail;
  return (
    <li className={classes.one}>
      <div className={classes.line}>
        <span className={classes.number} title={`Attempt ${one.attempt}`}>{one.attempt}</span>
        <StatusBadge status={one.endedAt ? one.outcome : "running"} />
        <span className="small"><Time at={one.startedAt} /></span>
        <span className="dim small">{one.endedAt ? "took" : "for"} <Duration ms={one.durationMs ?? undefined} from={one.startedAt} to={one.endedAt} /></span>
        {one.workerId && <span className={`inline dim small ${classes.worker}`}>on <Link to="/workers" title={one.workerId}><span className="mono">{one.workerId.length > 20 ? `…${one.workerId.slice(-12)}` : one.workerId}</span></Link></span>}
      </div>
      {one.error && !hidden && <p className={classes.error}><bdi>{one.error}</bdi></p>}
      {detail && (detail.type || detail.code) && <p className="dim tiny" style={{ margin: 0 }}>{[detail.type, detail.code].filter((text) => text && text !== one.error).join(" · ")}</p>}
      {(detail?.trace ?? detail?.message) && <Trace text={detail?.trace ?? detail?.message ?? ""} isTrace={!!detail?.trace} />}
    </li>
  );
}

function Trace({ text, isTrace }: { text: string; isTrace: boolean }) {
  return (
    <details className={classes.details}>
      <summary>{isTrace ? "Trace" : "What it said"}</summary>
      <div className={classes.trace}>
        <span className={classes.copy}><CopyButton text={text} label={isTrace ? "Copy the trace" : "Copy"} /></span>
        <pre tabIndex={0} aria-label={isTrace ? "Trace" : "What it said"}>{text}</pre>
      </div>
    </details>
  );
}
