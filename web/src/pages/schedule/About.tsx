import { Link } from "@tanstack/react-router";
import type { ScheduleOut } from "../../api/schema";
import { Json } from "../../components/Json";
import { Card, Fact, Facts } from "../../components/Page";
import { Time } from "../../components/Time";
import { jsonText } from "../../lib/exact";

const OWNERS: Record<ScheduleOut["owner"], string> = { api: "by people", code: "in code", file: "in a file" };
const OVERLAP: Record<ScheduleOut["overlap"], string> = {
  skip: "skips the new run", queueOne: "one new run waits", queueAll: "new runs wait", cancel: "asks the old run to stop", kill: "kills the old run", allow: "both run",
};
const CATCHUP: Record<ScheduleOut["catchup"], string> = { none: "does not run later", latest: "the latest one runs later", all: "all run later" };

/** The policy of a schedule as names and values; what is as usual is left out. */
function policy(one: ScheduleOut): [string, string][] {
  const said: [string, unknown][] = [
    ["If the last run goes on", OVERLAP[one.overlap]], ["What was missed", one.catchupWindow ? `${CATCHUP[one.catchup]}, within ${one.catchupWindow}` : CATCHUP[one.catchup]],
    ["Not on", one.calendars.join(", ")], ["Spread by", one.jitter], ["Time-out", one.timeout], ["Attempts", one.maxAttempts], ["Priority", one.priority], ["Expires after", one.expiresIn],
    ["Paused after failures", one.pauseAfter], ["Runs at most", one.maxRuns], ["Concurrency key", one.concurrencyKey], ["Order key", one.orderKey], ["Runs on", one.runOn.join(", ")],
    ["Silent at most", one.silence], ["At the start of the service", one.onStart ? "runs once" : ""], ["Tags", one.tags.join(", ")],
  ];
  return said.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [name, String(value)]);
}

/** What runs, by which rule and policy, and who declared it. */
export function About({ schedule }: { schedule: ScheduleOut }) {
  const one = schedule;
  return (
    <Card title="What it is">
      <div className="stack">
        {one.note && <p className="small" style={{ margin: 0, unicodeBidi: "isolate" }}>{one.note}</p>}
        <Facts>
          <Fact name="Runs">{one.jobType ? <Link to="/job-types/$" params={{ _splat: one.jobType }}>{one.jobType}</Link> : "a target of its own"}</Fact>
          <Fact name="Rule"><span className="mono">{one.cron ?? (one.every !== null ? `every ${one.every}` : one.at ?? `${one.rules?.length ?? 0} rules`)}</span></Fact>
          <Fact name="Time zone">{one.timezone}</Fact>
          <Fact name="Queue">{one.queue ? <Link to="/queues/$name" params={{ name: one.queue }}>{one.queue}</Link> : <span className="dim">as its type says</span>}</Fact>
          {(one.startAt || one.endAt) && <Fact name="Bounds"><Time at={one.startAt} form="local" none="ever" /> – <Time at={one.endAt} form="local" none="ever" /></Fact>}
          {policy(one).map(([name, value]) => <Fact key={name} name={name}>{value}</Fact>)}
          <Fact name="Declared">{OWNERS[one.owner]}{one.source && <span className="dim"> ({one.source})</span>}</Fact>
          <Fact name="Changed"><Time at={one.updatedAt} /><span className="dim"> · version {one.version}</span></Fact>
        </Facts>
        {one.rules && <Json value={one.rules} label="rules" maxHeight={200} />}
        {one.target && <section><h3>Target</h3><Json value={one.target} label="target" maxHeight={260} /></section>}
        {one.args !== null && jsonText(one.args) !== "{}" && <section><h3>Arguments</h3><Json value={one.args} label="arguments" maxHeight={260} /></section>}
      </div>
    </Card>
  );
}
