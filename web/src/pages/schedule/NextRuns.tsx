import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import { keepShown } from "../../api/queries";
import type { ForecastOut, ScheduleOut } from "../../api/schema";
import { ErrorNote } from "../../components/ErrorNote";
import { Icon } from "../../components/Icon";
import { Loading } from "../../components/Loading";
import { Card } from "../../components/Page";
import { Time } from "../../components/Time";
import { durationText, plural, utcTime, viewerZone } from "../../lib/time";
import { NEXT } from "./queries";
import classes from "./schedule.module.css";

const WEEK_H = 168;

/** The next runs as the service will do them: with calendars, bounds and pauses; and what gets in their way. */
export function NextRuns({ schedule }: { schedule: ScheduleOut }) {
  const { id, version } = schedule;
  const { data, error, refetch } = useQuery({
    queryKey: keys.schedule(id, "forecast", version, schedule.nextAt), refetchInterval: 60_000, ...keepShown,
    queryFn: async ({ signal }): Promise<Next> => {
      const found = await answer(client.GET("/api/forecast", { params: { query: { schedule: id, hours: WEEK_H } }, signal }));
      return { found, later: await laterOf(schedule, found, signal) };
    },
  });
  if (error) return <Card title="Next runs"><ErrorNote error={error} retry={() => void refetch()} /></Card>;
  if (!data) return <Card title="Next runs"><Loading /></Card>;
  const outlook = data.found.schedules[0];
  const at = [...(outlook?.next ?? []), ...data.later].slice(0, NEXT);
  const expected = outlook?.expected;
  return (
    <Card title={schedule.shadow ? "What it would run next" : "Next runs"} actions={<Link to="/forecast" search={{ schedule: id }} className="small">Forecast</Link>}>
      <div className="stack">
        {data.found.clashes.map((one) => <p key={`${one.kind} ${one.at}`} className={classes.clash}><Icon name="warning" size={15} /> <span>{one.text}</span></p>)}
        {at.length ? <Instants at={at} timezone={schedule.timezone} /> : <p className="dim small" style={{ margin: 0 }}>{nothing(schedule)}</p>}
        {expected && <p className="dim small" style={{ margin: 0 }}>Usually takes {durationText(expected.p50Ms)}, at most {durationText(expected.p90Ms)} in nine of ten; from the last {plural(expected.runs, "run")}.</p>}
        {outlook?.blackouts.map((one) => <p key={one.begin} className="dim small" style={{ margin: 0 }}>{plural(one.count, "instant")} kept from firing by {one.calendar} from <Time at={one.begin} form="local" /></p>)}
      </div>
    </Card>
  );
}

type Next = { found: ForecastOut; later: string[] };

const nothing = (one: ScheduleOut): string => (one.paused ? "It is paused." : one.nextAt ? "None that is due by its rule may fire within 7 days." : "It never fires again.");

/** The instants after the first ones of the forecast, which tells five: by the rule, or where calendars count by another forecast. */
async function laterOf(one: ScheduleOut, found: ForecastOut, signal: AbortSignal): Promise<string[]> {
  const known = found.schedules[0]?.next ?? [];
  const after = known.at(-1) ?? found.end;
  if (known.length >= NEXT || one.paused || !one.nextAt || one.maxRuns !== null) return [];
  if (one.calendars.length) {
    const next = new Date(Date.parse(after) + 1).toISOString();
    return (await answer(client.GET("/api/forecast", { params: { query: { schedule: one.id, from: next, hours: WEEK_H } }, signal }))).schedules[0]?.next ?? [];
  }
  const rule = one.every !== null ? { every: one.every } : one.at !== null ? { at: one.at } : one.rules ? { rules: one.rules } : { cron: one.cron, seconds: one.seconds, dayMatch: one.dayMatch };
  if (one.rules?.some((each) => each.every != null)) return []; // each of them counts from another instant
  const body = { ...rule, timezone: one.timezone, id: one.id, startAt: one.every !== null ? one.nextAt : one.startAt, endAt: one.endAt, after, count: NEXT - known.length };
  return (await answer(client.POST("/api/schedules/preview", { body: body as never, signal }))).instants;
}

const formats = new Map<string, Intl.DateTimeFormat>();
function inZone(at: string, timeZone: string): string {
  try {
    const format = formats.get(timeZone) ?? new Intl.DateTimeFormat(undefined, { timeZone, weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    formats.set(timeZone, format);
    return format.format(new Date(at));
  } catch {
    return utcTime(at); // a zone that this browser does not know
  }
}

function Instants({ at, timezone }: { at: readonly string[]; timezone: string }) {
  const other = timezone === viewerZone ? null : viewerZone;
  return (
    <ol className={classes.next} aria-label="The next runs">
      {at.map((one) => (
        <li key={one}><span className="nowrap">{inZone(one, timezone)}</span>{other && <span className="dim nowrap">{inZone(one, other)}</span>}<span className="dim"><Time at={one} /></span></li>
      ))}
      <li className="dim tiny" aria-hidden="true"><span>{timezone}</span>{other && <span>{other}, yours</span>}<span>from now</span></li>
    </ol>
  );
}
