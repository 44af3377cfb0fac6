import { useEffect, useReducer, useRef, useState } from "react";
import { Lines } from "./lines";

/** Whether somebody looks at the page. */
function useVisible(): boolean {
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const look = () => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return visible;
}

/** The log of a job; its stream is open only while the job runs and somebody looks. `again` asks anew. */
export function useLines(id: string, isLive: boolean): { lines: Lines | null; again: () => void } {
  const visible = useVisible();
  const [lines, setLines] = useState<Lines | null>(null);
  const [round, again] = useReducer((n: number) => n + 1, 0);
  const [, changed] = useReducer((n: number) => n + 1, 0);
  const follow = useRef(false);
  follow.current = isLive && visible;
  useEffect(() => {
    // What is there stays in view until the new lines are known.
    const made = new Lines(id, () => { setLines(made); changed(); });
    void made.open(follow.current);
    return () => made.close();
  }, [id, round]);
  useEffect(() => {
    if (!lines || !isLive) return; // the stream of a job that has ended ends by itself, with its last line
    if (!visible) lines.pause();
    else if (!lines.streaming) void lines.open(true);
  }, [lines, isLive, visible]);
  return { lines, again };
}
