import { memo } from "react";
import { durationText, shortTime } from "../lib/time";
import { lookOf } from "./status";
import { walkCells } from "./walk";
import classes from "./Strip.module.css";

export type StripCell = { key: string; status: string; at?: string; ms?: number | null; href?: string; text?: string };

/**
 * The last occurrences as cells, the latest at the right; height by duration where durations are known.
 * Tab comes to the strip as a whole, whose cells are too small for a target each; arrow keys walk through those with a job.
 */
export const Strip = memo(function Strip({ cells, size = 20, label }: { cells: readonly StripCell[]; size?: number; label: string }) {
  const shown = cells.slice(-size);
  const longest = Math.max(1, ...shown.map((cell) => cell.ms ?? 0));
  const told = (cell: StripCell) => cell.text ?? [lookOf(cell.status).word, cell.at && shortTime(cell.at), cell.ms != null && durationText(cell.ms)].filter(Boolean).join(" · ");
  return (
    <span className={classes.strip} role="group" aria-label={`${label}: ${summary(shown)}`} {...(shown.some((cell) => cell.href) ? { tabIndex: 0 } : {})} onKeyDown={walkCells}>
      {Array.from({ length: size - shown.length }, (_, index) => <span key={index} className={classes.none} />)}
      {shown.map((cell) => {
        const look = lookOf(cell.status);
        const props = { className: classes.cell, "data-tone": look.tone, "data-status": cell.status, title: told(cell), style: cell.ms == null ? undefined : { height: `${30 + 70 * (cell.ms / longest)}%` } };
        return cell.href ? <a key={cell.key} href={cell.href} data-cell aria-label={told(cell)} tabIndex={-1} {...props} /> : <span key={cell.key} {...props} />;
      })}
    </span>
  );
});

function summary(cells: readonly StripCell[]): string {
  const counts = new Map<string, number>();
  for (const cell of cells) counts.set(lookOf(cell.status).word, (counts.get(lookOf(cell.status).word) ?? 0) + 1);
  return counts.size ? [...counts].map(([word, n]) => `${n} ${word.toLowerCase()}`).join(", ") : "none yet";
}

/** A line of numbers without axes, for the cell of a table. */
export const Sparkline = memo(function Sparkline({ values, label, width = 120, height = 28, tone = "busy" }: { values: readonly number[]; label: string; width?: number; height?: number; tone?: string }) {
  const top = Math.max(1, ...values);
  const step = values.length > 1 ? width / (values.length - 1) : width;
  const points = values.map((value, index) => `${(index * step).toFixed(1)},${(height - 2 - (value / top) * (height - 4)).toFixed(1)}`);
  return (
    <svg className={classes.spark} width={width} height={height} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={label} style={{ color: `var(--${tone})` }}>
      {points.length > 1 && <polygon points={`0,${height} ${points.join(" ")} ${width},${height}`} fill="currentColor" opacity="0.16" />}
      <polyline points={points.join(" ")} fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinejoin="round" vectorEffect="non-scaling-stroke" />
    </svg>
  );
});
