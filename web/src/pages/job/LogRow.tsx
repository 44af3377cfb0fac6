import { memo, type ReactNode } from "react";
import type { LogLine } from "../../api/schema";
import { longTime } from "../../lib/time";
import { pieces } from "./ansi";
import classes from "./Log.module.css";

const MOST_CHARS = 4000;

type Props = { n: number; line: LogLine | null | undefined; q: string; marked: boolean; onNumber?: (n: number) => void };

/** One line: its number, its stream where that is not stdout, and its text with colours, as text only. */
export const LogRow = memo(function LogRow({ n, line, q, marked, onNumber }: Props) {
  const number = onNumber
    ? <button type="button" className={classes.number} title="Show it among the others" aria-label={`Line ${n}, show it among the others`} onClick={() => onNumber(n)}>{n}</button>
    : <span className={classes.number} aria-hidden="true">{n}</span>;
  if (!line) return <div className={classes.row}>{number}<span className={classes.text} data-style="dim">{line === null ? "… left out" : ""}</span></div>;
  const isCut = line.text.length > MOST_CHARS;
  return (
    <div className={classes.row} data-stream={line.stream} data-marked={marked || undefined} title={`${longTime(line.at)} · ${line.stream} · attempt ${line.attempt}`}>
      {number}
      {line.stream !== "stdout" && <span className={classes.stream}>{line.stream === "stderr" ? "err" : line.stream === "system" ? "sys" : "log"}</span>}
      <span className={classes.text}>
        {pieces(isCut ? line.text.slice(0, MOST_CHARS) : line.text).map((one, index) => <span key={index} data-style={one.style || undefined}>{marks(one.text, q)}</span>)}
        {isCut && <em> … {(line.text.length - MOST_CHARS).toLocaleString("en")} more characters in the raw log</em>}
      </span>
    </div>
  );
});

/** The text with what was searched for marked. */
function marks(text: string, q: string): ReactNode {
  if (!q) return text;
  const low = text.toLowerCase();
  const what = q.toLowerCase();
  const found: ReactNode[] = [];
  let from = 0;
  for (let at = low.indexOf(what); at >= 0 && low.length === text.length; at = low.indexOf(what, from)) {
    found.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + what.length)}</mark>);
    from = at + what.length;
  }
  return found.length ? [...found, text.slice(from)] : text;
}
