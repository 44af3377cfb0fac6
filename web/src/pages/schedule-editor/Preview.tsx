import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { answer, client } from "../../api/client";
import { ApiError } from "../../api/errors";
import { Icon } from "../../components/Icon";
import { Time } from "../../components/Time";
import { useSettled } from "../../lib/settled";
import { viewerZone } from "../../lib/time";
import classes from "./editor.module.css";
import { ruleOf, type When } from "./when";

const RUNS = 10;

/** What a rule means and when it would fire next; asked again a moment after the last key. */
export function usePreview(when: When, timezone: string, id: string) {
  const asked = useSettled({ ...ruleOf(when), timezone, ...(id ? { id } : {}) }, 250);
  return useQuery({
    queryKey: ["preview", asked], retry: false, placeholderData: keepPreviousData, staleTime: 10_000,
    queryFn: ({ signal }) => answer(client.POST("/api/schedules/preview", { body: { ...asked, count: RUNS } as never, signal })),
  });
}

/** The refusal of a preview in one sentence, for the field of the rule or the zone. */
export function refusalOf(error: Error | null, field: "rule" | "timezone"): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  return (error.field === "timezone") === (field === "timezone") ? [error.message, error.hint].filter(Boolean).join("; ") : undefined;
}

/** Words and the next ten instants, in the zone of the schedule and of who looks; changes of the clock are marked. */
export function Preview({ found, timezone }: { found: ReturnType<typeof usePreview>; timezone: string }) {
  const { data, error, isFetching } = found;
  if (error && !(error instanceof ApiError && error.status === 0)) return <p className="dim small">The next runs appear as soon as the rule can be read.</p>;
  if (!data) return <p className="dim small">…</p>;
  const other = [viewerZone, "UTC"].find((zone) => zone !== timezone);
  const offsets = data.instants.map((at) => offsetOf(at, timezone));
  return (
    <div className="stack" aria-live="polite" aria-busy={isFetching}>
      <p className={classes.words}>{data.description}</p>
      {data.warnings.map((text) => <p key={text} className={classes.warning}><Icon name="warning" size={15} /> {text}</p>)}
      {data.instants.length === 0 ? <p className="dim small">It never fires.</p> : (
        <table className={classes.runs}>
          <caption className="sr">The next runs</caption>
          <thead><tr><th scope="col">{timezone}</th>{other && <th scope="col" className={classes.other}>{other}</th>}<th scope="col">From now</th></tr></thead>
          <tbody>
            {data.instants.map((at, index) => (
              <tr key={at}>
                <td>{zoned(at, timezone)}{index > 0 && offsets[index] !== offsets[index - 1] && <span className={classes.clock} title={`The clocks change before this run: ${offsets[index]}`}><Icon name="clock" size={13} /> {offsets[index]}</span>}</td>
                {other && <td className={`dim ${classes.other}`}>{zoned(at, other)}</td>}
                <td className="dim"><Time at={at} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

const formats = new Map<string, Intl.DateTimeFormat>();
function formatOf(zone: string, kind: "time" | "offset"): Intl.DateTimeFormat {
  const key = `${kind} ${zone}`;
  const known = formats.get(key) ?? new Intl.DateTimeFormat(undefined, kind === "offset"
    ? { timeZone: zone, timeZoneName: "longOffset" }
    : { timeZone: zone, weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  formats.set(key, known);
  return known;
}

/** A zone that the browser does not know is shown in UTC. */
function safely(zone: string, say: (zone: string) => string): string {
  try { return say(zone); } catch { return say("UTC"); }
}
const zoned = (at: string, zone: string) => safely(zone, (known) => formatOf(known, "time").format(new Date(at)));
const offsetOf = (at: string, zone: string) => safely(zone, (known) => formatOf(known, "offset").formatToParts(new Date(at)).find((part) => part.type === "timeZoneName")?.value ?? "");
