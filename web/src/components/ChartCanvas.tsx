import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clockTime, shortTime } from "../lib/time";
import classes from "./ChartCanvas.module.css";

export type ChartSeries = {
  label: string;
  /** A colour variable of theme.css: "good", "bad", "busy" … */
  tone: string;
  values: readonly (number | null)[];
  /** An area under the line; dashed lines tell series apart without colour. */
  fill?: boolean;
  dash?: readonly number[];
};

export type ChartProps = {
  label: string;
  /** Milliseconds. */
  times: readonly number[];
  series: readonly ChartSeries[];
  height?: number;
  /** How a value is written at the axis and under the pointer. */
  format?: (value: number) => string;
};

export default function ChartCanvas({ label, times, series, height = 160, format = String }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const scheme = useComputedColorScheme("light");
  const shape = JSON.stringify([scheme, height, series.map(({ label: name, tone, fill, dash }) => [name, tone, fill, dash])]);
  const data = [times.map((at) => at / 1000), ...series.map((one) => one.values)] as uPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const box = place.current;
    if (!box) return undefined;
    const css = getComputedStyle(box);
    const color = (name: string) => css.getPropertyValue(`--${name}`).trim();
    const axis = { stroke: color("mantine-color-dimmed"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: `11px ${css.fontFamily}` };
    const value = (_: uPlot, one: number | null) => (one == null ? "" : format(one));
    const made = new uPlot({
      width: box.clientWidth, height, padding: [8, 20, 0, 0], cursor: { y: false, points: { size: 6 } }, legend: { live: true },
      scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(1, (high ?? 1) * 1.08)] } },
      axes: [{ ...axis, space: 70, size: 28, values: (_, ticks) => ticks.map(tickText) }, { ...axis, size: 68, values: (_, ticks) => ticks.map(format) }],
      series: [{ label: "", value: (_, at) => (at == null ? "" : shortTime(at * 1000)) }, ...series.map((one): uPlot.Series => ({
        label: one.label, stroke: color(one.tone), width: 1.8, value, points: { show: (plotted, at) => isLonely(plotted.data[at] ?? []), size: 5 },
        ...(one.fill ? { fill: `color-mix(in srgb, ${color(one.tone)} 18%, transparent)` } : {}), ...(one.dash ? { dash: [...one.dash] } : {}),
      }))],
    }, latest.current, box);
    plot.current = made;
    const sized = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height }));
    sized.observe(box);
    return () => { sized.disconnect(); made.destroy(); plot.current = null; };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- made anew only when its shape changes, data is set below
  }, [shape]);

  useEffect(() => { plot.current?.setData(data); });
  return <div ref={place} role="img" aria-label={label} className={classes.chart} />;
}

/** Whether no two values stand beside each other, so that no line would show them. */
const isLonely = (values: ArrayLike<number | null | undefined>): boolean => !Array.from(values).some((one, at) => one != null && values[at + 1] != null);

/** "14:30", and the day where it begins. */
function tickText(at: number): string {
  const date = new Date(at * 1000);
  return date.getHours() === 0 && date.getMinutes() === 0 ? shortTime(date).replace(/,? \S+$/, "") : clockTime(date).slice(0, 5);
}
