import type { AnswerOut, ExchangeOut } from "../../api/schema";
import { Json } from "../../components/Json";
import { Card } from "../../components/Page";
import { Duration } from "../../components/Time";
import classes from "./Exchange.module.css";

/** What was sent to an HTTP target last, and what came back. */
export function Exchange({ exchange }: { exchange: ExchangeOut }) {
  const { request, answer } = exchange;
  return (
    <Card title="Request and answer">
      <div className="stack">
        <section aria-label="Request" className={classes.part}>
          <p className={classes.first}><b className="mono">{request.method}</b> <span className="mono">{request.url}</span></p>
          <Headers headers={request.headers} />
          {request.body !== null && <Body text={request.body} bytes={request.bodyBytes} truncated={request.truncated} label="body of the request" />}
        </section>
        {answer ? <Answer answer={answer} /> : <p className="dim small" style={{ margin: 0 }}>Nothing came back.</p>}
      </div>
    </Card>
  );
}

function Answer({ answer }: { answer: AnswerOut }) {
  const tone = answer.status < 300 ? "good" : answer.status < 400 ? "warn" : "bad";
  return (
    <section aria-label="Answer" className={classes.part}>
      <p className={classes.first}><b className="mono" style={{ color: `var(--${tone}-fg)` }}>{answer.status} {answer.reason}</b> <span className="dim small">after <Duration ms={answer.durationMs} /></span></p>
      <Headers headers={answer.headers} />
      {answer.body !== "" && <Body text={answer.body} bytes={answer.bodyBytes} truncated={answer.truncated} label="body of the answer" />}
    </section>
  );
}

function Headers({ headers }: { headers: Record<string, string> }) {
  const all = Object.entries(headers);
  if (all.length === 0) return null;
  return (
    <details className="small">
      <summary>{all.length} headers</summary>
      <dl className={classes.headers}>{all.map(([name, value]) => <div key={name}><dt className="mono">{name}</dt><dd className="mono"><bdi>{value}</bdi></dd></div>)}</dl>
    </details>
  );
}

function Body({ text, bytes, truncated, label }: { text: string; bytes: number; truncated: boolean; label: string }) {
  return (
    <>
      <Json text={text} label={label} maxHeight={300} />
      {truncated && <span className="dim tiny">The beginning of {bytes.toLocaleString("en")} bytes.</span>}
    </>
  );
}
