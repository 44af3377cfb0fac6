import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Chart } from "../../components/Chart";
import { Card } from "../../components/Page";
import { countText, durationText } from "../../lib/time";
import classes from "./overview.module.css";
import { asked, type Window } from "./questions";

const MINUTE = 60_000;

/** Throughput, waiting time and run time over the window, of one queue or of all. */
export function Trends({ window, queue }: { window: Window; queue?: string }) {
  const { data } = useQuery(asked.series(window, queue));
  const points = useMemo(() => data?.groups[0]?.points ?? [], [data]);
  const times = useMemo(() => points.map((one) => Date.parse(one.at)), [points]);
  const perMinute = MINUTE / (data?.stepMs ?? MINUTE);
  const rate = (value: number) => value * perMinute;
  const totals = data?.groups[0]?.totals;
  return (
    <div className={classes.charts}>
      <Card title="Jobs a minute" actions={<Said>{totals && outcomeText(totals.completed, totals.failed)}</Said>}>
        <Chart
          label={totals ? `Jobs a minute: ${totals.completed} completed and ${totals.failed} failed in all` : "Jobs a minute"} times={times} format={rateText}
          series={[{ label: "completed", tone: "good", fill: true, values: points.map((one) => rate(one.completed)) }, { label: "failed", tone: "bad", dash: [5, 3], values: points.map((one) => rate(one.failed)) }]}
        />
      </Card>
      <Card title="Waiting for a start" actions={<Said>{totals?.waitingMs && `p50 ${durationText(totals.waitingMs.p50)}, p99 ${durationText(totals.waitingMs.p99)}`}</Said>}>
        <Chart
          label={totals?.waitingMs ? `Time to start: half within ${durationText(totals.waitingMs.p50)}` : "Time to start"} times={times} format={durationText}
          series={[{ label: "p50", tone: "busy", fill: true, values: points.map((one) => one.waitingMs?.p50 ?? null) }, { label: "p99", tone: "later", dash: [5, 3], values: points.map((one) => one.waitingMs?.p99 ?? null) }]}
        />
      </Card>
      <Card title="Running" actions={<Said>{totals?.runningMs && `p50 ${durationText(totals.runningMs.p50)}, p99 ${durationText(totals.runningMs.p99)}`}</Said>}>
        <Chart
          label={totals?.runningMs ? `Time of a run: half within ${durationText(totals.runningMs.p50)}` : "Time of a run"} times={times} format={durationText}
          series={[{ label: "p50", tone: "busy", fill: true, values: points.map((one) => one.runningMs?.p50 ?? null) }, { label: "p99", tone: "later", dash: [5, 3], values: points.map((one) => one.runningMs?.p99 ?? null) }]}
        />
      </Card>
    </div>
  );
}

const Said = ({ children }: { children: React.ReactNode }) => <span className="dim small">{children}</span>;
const rateText = (value: number): string => (value >= 100 ? countText(Math.round(value)) : String(Math.round(value * 100) / 100));

/** "98.2 % of 1,204 succeeded": rounded down, so that one failure is never hidden. */
function outcomeText(completed: number, failed: number): string {
  const ended = completed + failed;
  if (ended === 0) return "nothing ended";
  return `${Math.floor((1000 * completed) / ended) / 10} % of ${countText(ended)} succeeded`;
}
