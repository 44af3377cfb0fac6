import { Tooltip } from "@mantine/core";
import { memo } from "react";
import { useNow } from "../lib/now";
import { durationText, longTime, relative, shortTime, utcTime } from "../lib/time";

type TimeProps = { at: string | null | undefined; none?: string; form?: "relative" | "local" | "both" };

/** A time: how long ago or in how long, the viewer's own clock, and UTC on hover. */
export const Time = memo(function Time({ at, none = "–", form = "relative" }: TimeProps) {
  const now = useNow();
  if (!at) return <span className="dim">{none}</span>;
  const near = relative(at, now);
  return (
    <Tooltip label={<>{longTime(at)}<br />{utcTime(at)}</>}>
      <time dateTime={at} className="nowrap" tabIndex={-1}>
        {form === "local" ? shortTime(at) : near}
        {form === "both" && <span className="dim"> · {shortTime(at)}</span>}
      </time>
    </Tooltip>
  );
});

type DurationProps = { ms?: number | null | undefined; from?: string | null | undefined; to?: string | null | undefined; none?: string };

/** How long something took, or takes since `from` while it has no `to`. */
export const Duration = memo(function Duration({ ms, from, to, none = "–" }: DurationProps) {
  if (ms === undefined && from && !to) return <Ticking from={from} />;
  const length = ms ?? (from && to ? Date.parse(to) - Date.parse(from) : null);
  return length === null || length === undefined ? <span className="dim">{none}</span> : <span className="nowrap">{durationText(length)}</span>;
});

function Ticking({ from }: { from: string }) {
  const now = useNow();
  return <span className="nowrap">{durationText(Math.max(0, Math.floor((now - Date.parse(from)) / 1000) * 1000))}</span>;
}
