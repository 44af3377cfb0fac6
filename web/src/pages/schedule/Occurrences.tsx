import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { keepShown } from "../../api/queries";
import type { OccurrenceOut } from "../../api/schema";
import { EmptyState } from "../../components/EmptyState";
import { ErrorNote } from "../../components/ErrorNote";
import { Icon } from "../../components/Icon";
import { Loading } from "../../components/Loading";
import { Card } from "../../components/Page";
import { Pager } from "../../components/Pager";
import { lookOf } from "../../components/status";
import { walkCells } from "../../components/walk";
import { countText, durationText, plural } from "../../lib/time";
import { dueOf, fateOf, fateText } from "../schedules/words";
import { ofSchedule } from "./queries";
import classes from "./Occurrences.module.css";

/** The grid of occurrences: one cell per due instant, also of those that did not run, and why. */
export function Occurrences({ id }: { id: string }) {
  const [trail, setTrail] = useState<readonly string[]>([]);
  const [only, setOnly] = useState("");
  const { data, error, refetch } = useQuery({ ...ofSchedule.occurrences(id, trail.at(-1)), ...keepShown });
  const all = useMemo(() => [...(data?.occurrences ?? [])].reverse(), [data]);
  const shown = useMemo(() => all.filter((one) => only === "" || troubled(one)), [all, only]);
  return (
    <Card title="What became of each due instant" actions={all.length > 0 && <SegmentedControl size="xs" aria-label="Which instants" data={[{ value: "", label: "All" }, { value: "bad", label: "In trouble" }]} value={only} onChange={setOnly} />}>
      {error && !data && <ErrorNote error={error} retry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && all.length === 0 && <EmptyState icon="clock" title="Nothing was due yet">Each due instant appears here with what became of it, also those that were skipped or missed.</EmptyState>}
      {all.length > 0 && (
        <div className="stack">
          {shown.length ? <Grid occurrences={shown} /> : <p className="dim small" style={{ margin: 0 }}>None of these {countText(all.length)} was in trouble.</p>}
          <Legend occurrences={all} />
          {data && <Pager shown={all.length} total={data.total} isEstimate={data.totalIsEstimate} next={data.nextCursor} trail={trail} onTrail={setTrail} noun="instants and ranges" />}
        </div>
      )}
    </Card>
  );
}

const troubled = (one: OccurrenceOut): boolean => !["completed", "running", "pending", "scheduled", "fired", "caughtUp", "observed"].includes(fateOf(one));

const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "short", month: "short", day: "numeric" });

function byDay(occurrences: readonly OccurrenceOut[]): Map<string, OccurrenceOut[]> {
  const days = new Map<string, OccurrenceOut[]>();
  for (const one of occurrences) {
    const day = dayFormat.format(new Date(dueOf(one)));
    days.set(day, [...(days.get(day) ?? []), one]);
  }
  return days;
}

/** Cells by day; arrows walk through all of them, Enter opens the job. */
function Grid({ occurrences }: { occurrences: readonly OccurrenceOut[] }) {
  const [active, setActive] = useState<string | null>(null);
  const longest = Math.max(1, ...occurrences.map((one) => one.durationMs ?? 0));
  const days = useMemo(() => byDay(occurrences), [occurrences]);
  const last = occurrences.at(-1);
  const entry = active !== null && occurrences.some((one) => dueOf(one) === active) ? active : last && dueOf(last);
  const told = occurrences.find((one) => dueOf(one) === active);
  return (
    <>
      <div className={classes.days} role="group" aria-label={`${plural(occurrences.length, "due instant")}, the latest last; arrow keys move`} onKeyDown={(event) => walkCells(event)}>
      {[...days].map(([day, some]) => (
        <div key={day} className={classes.day}>
          <span className={classes.dayName}>{day}</span>
          <div className={classes.cells}>
            {some.map((one) => <Cell key={dueOf(one)} one={one} longest={longest} isEntry={dueOf(one) === entry} show={setActive} />)}
          </div>
        </div>
      ))}
    </div>
    <p className={classes.told} data-told>{told ? <>{fateText(told)}{told.jobStatus && <span className="dim"> · opens its job</span>}</> : <span className="dim">Point at an instant, or walk with the arrow keys, to see what became of it and why.</span>}</p>
    </>
  );
}

type CellProps = { one: OccurrenceOut; longest: number; isEntry: boolean; show: (key: string) => void };

function Cell({ one, longest, isEntry, show }: CellProps) {
  const navigate = useNavigate();
  const look = lookOf(fateOf(one));
  const job = one.jobStatus ? one.jobId : null;
  const height = one.durationMs == null ? 100 : 35 + 65 * (one.durationMs / longest);
  return (
    <button
      type="button" data-cell className={classes.cell} data-tone={look.tone} data-status={fateOf(one)} data-range={one.from ? "" : undefined} aria-label={fateText(one)} aria-disabled={job === null} tabIndex={isEntry ? 0 : -1}
      onFocus={() => show(dueOf(one))} onMouseEnter={() => show(dueOf(one))}
      onClick={() => { if (job) void navigate({ to: "/jobs/$id", params: { id: job } }); }}
    >
      <span style={{ height: `${height}%` }}><Icon name={look.icon} size={11} /></span>
      {one.from && one.count != null && <small>{countText(one.count)}</small>}
    </button>
  );
}

/** What the colours mean, with how many there are, and what the height says. */
function Legend({ occurrences }: { occurrences: readonly OccurrenceOut[] }) {
  const counts = new Map<string, number>();
  for (const one of occurrences) counts.set(fateOf(one), (counts.get(fateOf(one)) ?? 0) + 1);
  const took = occurrences.flatMap((one) => (one.durationMs == null ? [] : [one.durationMs]));
  return (
    <div className={classes.legend}>
      {[...counts].map(([fate, count]) => (
        <span key={fate} className="row" style={{ gap: "0.35rem" }}>
          <span className={classes.swatch} data-tone={lookOf(fate).tone} data-status={fate}><Icon name={lookOf(fate).icon} size={10} /></span>
          {lookOf(fate).word} {countText(count)}
        </span>
      ))}
      {took.length > 1 && <span className="dim">Height: how long it took, up to {durationText(Math.max(...took))}</span>}
    </div>
  );
}
