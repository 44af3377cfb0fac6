import { useMemo, useState } from "react";
import type { ClashOut, ForecastOut, HourOut } from "../../api/schema";
import { Icon } from "../../components/Icon";
import { Card } from "../../components/Page";
import { walkCells } from "../../components/walk";
import { plural } from "../../lib/time";
import classes from "./forecast.module.css";
import { CLASHES, isIn, loadOf } from "./words";

const DAY_H = 24;
const HOUR_MS = 3_600_000;
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "short", month: "short", day: "numeric" });
const hourFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** `key` is the hour: the first one begins now, at another instant in each answer, and must not lose the focus by that. */
type Bar = { key: number; hour: HourOut; tone: "busy" | "warn" | "bad"; text: string; label: string; day: string };

/** The load of each hour as a bar: its height by how many start, its colour by whether that fits. */
export function Hours({ forecast }: { forecast: ForecastOut }) {
  const [active, setActive] = useState<number | null>(null);
  const bars = useMemo(() => forecast.hours.map((hour, place) => barOf(hour, forecast, forecast.hours[place + 1]?.begin ?? forecast.end)), [forecast]);
  const most = Math.max(1, ...bars.map((bar) => bar.hour.starts));
  const told = bars.find((bar) => bar.key === active);
  const entry = told ? active : bars[0]?.key;
  return (
    <Card title="Load by hour">
      <div className="stack" style={{ gap: "0.6rem" }}>
        <div className={classes.scroll}>
          <div className={classes.hours} role="group" aria-label={`${plural(bars.length, "hour")}; arrow keys move`} style={{ minWidth: bars.length > DAY_H + 1 ? "56rem" : undefined }} onKeyDown={(event) => walkCells(event, DAY_H)}>
            {bars.map((bar, place) => (
              <div key={bar.key} className={classes.hour}>
                <button type="button" data-cell className={classes.bar} data-tone={bar.tone} aria-label={bar.text} tabIndex={bar.key === entry ? 0 : -1} onFocus={() => setActive(bar.key)} onMouseEnter={() => setActive(bar.key)}>
                  {bar.tone !== "busy" && <Icon name={bar.tone === "bad" ? "error" : "warning"} size={11} />}
                  <span style={{ height: bar.hour.starts ? `${4 + 96 * (bar.hour.starts / most)}%` : 0 }} />
                </button>
                <span className={classes.tick} aria-hidden="true">{tickOf(bar, bars[place - 1], bars.length)}</span>
              </div>
            ))}
          </div>
        </div>
        <p className={classes.told}>{told ? told.text : <span className="dim">The fullest hour starts {plural(most, "job")}. Point at an hour, or walk with the arrow keys.</span>}</p>
      </div>
    </Card>
  );
}

function barOf(hour: HourOut, { queues, clashes }: ForecastOut, end: string): Bar {
  const until = Date.parse(end);
  const inside: ClashOut[] = hour.starts ? clashes.filter((one) => isIn(one, hour, until)) : [];
  const load = loadOf(hour, queues);
  const tone = inside.some((one) => one.kind === "overload") || (load !== null && load.share > 1) ? "bad" : inside.length ? "warn" : "busy";
  const begin = new Date(hour.begin);
  const room = load && (load.capacity ? `${load.queue} has work for ${load.busy.toFixed(1)} of ${load.capacity} at once` : `${load.queue} has nothing that runs it`);
  const trouble = [...new Set(inside.map((one) => CLASHES[one.kind].word))].join(", ");
  const day = dayFormat.format(begin);
  return { key: Math.floor(begin.getTime() / HOUR_MS), hour, tone, day, label: hourFormat.format(begin), text: [`${day}, ${hourFormat.format(begin)}`, plural(hour.starts, "start"), room, trouble].filter(Boolean).join(" · ") };
}

/** Each sixth hour by its clock, or each new day by its name. */
function tickOf(bar: Bar, before: Bar | undefined, count: number): string {
  if (bar.day !== before?.day && count > DAY_H + 1) return bar.day;
  return count <= DAY_H + 1 && new Date(bar.hour.begin).getHours() % 6 === 0 && new Date(bar.hour.begin).getMinutes() === 0 ? bar.label : "";
}
