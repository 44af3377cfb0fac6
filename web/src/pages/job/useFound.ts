import { useCallback, useEffect, useRef, useState } from "react";
import type { LogLine } from "../../api/schema";
import { find, type Narrow } from "./found";

const FIRST = 1000;
export type Found = { lines: readonly LogLine[]; busy: boolean; /** No more fits, as far as the log goes now. */ isAll: boolean; error: unknown };
const NOTHING: Found = { lines: [], busy: true, isAll: false, error: null };

/** The lines of a log that fit; `more` asks for the next, where the log goes on. `last` is how long the log is now. */
export function useFound(id: string, narrow: Narrow | null, last: number): { found: Found; more: () => void } {
  const [found, setFound] = useState<Found>(NOTHING);
  const course = useRef<{ after: number; busy: boolean; over: boolean; stop: AbortController } | null>(null);
  const key = narrow && JSON.stringify(narrow);

  const more = useCallback(() => {
    const mine = course.current;
    if (!mine || mine.busy || mine.over || key === null) return;
    mine.busy = true;
    find(id, JSON.parse(key) as Narrow, mine.after, FIRST, mine.stop.signal).then((part) => {
      mine.busy = false;
      mine.over = part.nextAfter === null;
      mine.after = part.nextAfter ?? mine.after;
      if (course.current === mine) setFound((old) => ({ lines: [...old.lines, ...part.lines], busy: false, isAll: part.isAll, error: null }));
    }, (error: unknown) => {
      mine.busy = false;
      if (course.current === mine && !mine.stop.signal.aborted) setFound((old) => ({ ...old, busy: false, error }));
    });
  }, [id, key]);

  useEffect(() => {
    const mine = { after: 0, busy: false, over: false, stop: new AbortController() };
    course.current = mine;
    setFound(NOTHING);
    more();
    return () => { mine.stop.abort(); course.current = null; };
  }, [more]);
  useEffect(() => { more(); }, [last, more]);
  return { found, more };
}
