import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import classes from "./Log.module.css";

export const LINE_PX = 19;
const MORE_ROWS = 20;
/** Browsers cannot scroll further than some 16 million pixels; longer logs are scrolled in larger steps. */
const MOST_PX = 8_000_000;

type Props = {
  label: string;
  count: number;
  row: (index: number) => ReactNode;
  /** Asked for what comes into view. */
  need: (from: number, to: number) => void;
  follow: boolean;
  setFollow: (follow: boolean) => void;
  /** Go to a row; `token` is new for each wish. */
  goto: { index: number; token: number } | null;
  /** Where to begin, and told of every row that is at the top since. */
  place?: { current: number };
};

/** A window on rows of one height: however many there are, only those in view are in the page. */
export function LogView({ label, count, row, need, follow, setFollow, goto, place }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const before = useRef(0);
  const [view, setView] = useState({ top: 0, height: 600 });
  const whole = count * LINE_PX;
  const shown = Math.min(whole, MOST_PX);
  const room = Math.max(1, shown - view.height);
  const first = whole <= MOST_PX ? view.top / LINE_PX : (Math.min(1, view.top / room) * (whole - view.height)) / LINE_PX;
  const from = Math.max(0, Math.floor(first) - MORE_ROWS);
  const to = Math.min(count, Math.ceil(first + view.height / LINE_PX) + MORE_ROWS);
  const top = whole <= MOST_PX ? from * LINE_PX : view.top - (first - from) * LINE_PX;

  useEffect(() => { if (to > from) need(from, to - 1); });
  useLayoutEffect(() => {
    const one = box.current;
    if (!one) return undefined;
    const sized = new ResizeObserver(() => setView((old) => (old.height === one.clientHeight ? old : { ...old, height: one.clientHeight })));
    sized.observe(one);
    return () => sized.disconnect();
  }, []);
  const scrollTo = (one: HTMLDivElement, px: number) => {
    one.scrollTop = whole <= MOST_PX ? px : (px / (whole - one.clientHeight)) * (one.scrollHeight - one.clientHeight);
    setView((old) => ({ ...old, top: one.scrollTop }));
  };
  useLayoutEffect(() => {
    if (box.current && place?.current && !goto) scrollTo(box.current, place.current * LINE_PX);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only when it appears
  }, []);
  useLayoutEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [follow, count, view.height]);
  useLayoutEffect(() => {
    const one = box.current;
    if (!goto || !one) return;
    scrollTo(one, Math.max(0, goto.index * LINE_PX - one.clientHeight / 3));
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only when it is wished
  }, [goto?.token]);

  useEffect(() => { if (place) place.current = first; }, [place, first]);

  /** At once, where a browser would pass by everything between. */
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const one = event.currentTarget;
    if (event.target !== one || (event.key !== "Home" && event.key !== "End")) return;
    event.preventDefault();
    scrollTo(one, event.key === "Home" ? 0 : whole);
    setFollow(event.key === "End");
  };
  const onScroll = () => {
    const one = box.current;
    if (!one) return;
    const isAtEnd = one.scrollTop + one.clientHeight >= one.scrollHeight - LINE_PX;
    if (follow && !isAtEnd && one.scrollTop < before.current) setFollow(false);
    before.current = one.scrollTop;
    setView((old) => (old.top === one.scrollTop ? old : { ...old, top: one.scrollTop }));
  };
  return (
    <div ref={box} className={classes.box} role="region" aria-label={label} tabIndex={0} onScroll={onScroll} onKeyDown={onKeyDown} style={{ height: `min(var(--log-height), ${Math.max(3, count) * LINE_PX + 18}px)` }}>
      <div className={classes.all} style={{ height: shown }}>
        <div className={classes.rows} style={{ transform: `translateY(${top}px)` }}>
          {Array.from({ length: Math.max(0, to - from) }, (_, index) => row(from + index))}
        </div>
      </div>
    </div>
  );
}
