import { Button, Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { keepShown, useMe } from "../../api/queries";
import type { ScheduleOut, VersionOut } from "../../api/schema";
import { ErrorNote } from "../../components/ErrorNote";
import { Icon } from "../../components/Icon";
import { Loading } from "../../components/Loading";
import { Card } from "../../components/Page";
import { Pager } from "../../components/Pager";
import { Time } from "../../components/Time";
import { jsonText } from "../../lib/exact";
import { rollBack } from "../schedules/actions";
import { ofSchedule } from "./queries";
import classes from "./schedule.module.css";

const ACTIONS: Record<VersionOut["action"], string> = { created: "made it", deleted: "deleted it", edited: "changed it", paused: "paused it", resumed: "resumed it", rolledBack: "rolled it back", takenOver: "took it over" };
const CUT = 160;

/** What the schedule was and since when, who changed what, and back to that. */
export function Versions({ id, now, target, changed }: { id: string; now: number | null; target: ScheduleOut["target"]; changed: () => void }) {
  const [trail, setTrail] = useState<readonly string[]>([]);
  const { data, error, refetch } = useQuery({ ...ofSchedule.versions(id, trail.at(-1)), ...keepShown });
  const { may, me } = useMe();
  const all = data?.versions ?? [];
  // another target of its own: only an admin may bring it back
  const isTheirs = ({ schedule }: VersionOut) => schedule && (!schedule.target || me?.role === "admin" || jsonText(schedule.target) === jsonText(target));
  return (
    <Card title="Versions">
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && (
        <div className="stack">
          {all.length > 1 && <Compare all={all} />}
          <ol className={classes.versions} aria-label="Versions">
            {all.map((one, index) => (
              <li key={one.version}>
                <div className={classes.versionHead}>
                  <b>{one.version}</b>
                  <span>{one.author ?? "the service"} {ACTIONS[one.action]} <Time at={one.at} form="both" /></span>
                  {may("rollBackSchedule") && one.version !== now && isTheirs(one) && <Button size="compact-xs" variant="default" aria-label={`Roll back to version ${one.version}`} onClick={() => void rollBack(id, one.version, changed)}>Roll back</Button>}
                  {one.version === now && <span className="dim">now</span>}
                </div>
                {one.note && <span className="dim small">{one.note}</span>}
                {all[index + 1] && <Difference before={all[index + 1] as VersionOut} after={one} quiet />}
              </li>
            ))}
          </ol>
          <Pager shown={all.length} total={data.total} isEstimate={data.totalIsEstimate} next={data.nextCursor} trail={trail} onTrail={setTrail} noun="versions" />
        </div>
      )}
    </Card>
  );
}

/** Any two versions side by side, where the list tells only of neighbours. */
function Compare({ all }: { all: readonly VersionOut[] }) {
  const [pair, setPair] = useState<readonly [string | null, string | null]>([null, null]);
  const names = all.map((one) => String(one.version));
  const find = (name: string | null) => all.find((one) => String(one.version) === name);
  const [before, after] = [find(pair[0]), find(pair[1])];
  return (
    <div className="stack" style={{ gap: "0.5rem" }}>
      <div className="row">
        <span className="dim small">Compare</span>
        <Select size="xs" w="5.5rem" aria-label="The one version" placeholder="one" data={names} value={pair[0]} onChange={(one) => setPair([one, pair[1]])} />
        <span className="dim small">with</span>
        <Select size="xs" w="5.5rem" aria-label="The other version" placeholder="another" data={names} value={pair[1]} onChange={(one) => setPair([pair[0], one])} />
      </div>
      {before && after && <section aria-label={`Versions ${before.version} and ${after.version}`}><Difference before={before} after={after} /></section>}
    </div>
  );
}

/** The fields that two versions say differently. */
function Difference({ before, after, quiet = false }: { before: VersionOut; after: VersionOut; quiet?: boolean }) {
  if (!before.schedule || !after.schedule) return null;
  const was = before.schedule as Record<string, unknown>;
  const is = after.schedule as Record<string, unknown>;
  const fields = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((field) => jsonText(was[field]) !== jsonText(is[field]));
  if (fields.length === 0) return quiet ? null : <p className="dim small" style={{ margin: 0 }}>They say the same.</p>;
  return (
    <ul className={classes.diff}>
      {fields.map((field) => <li key={field}><b>{field}</b> <del>{short(was[field])}</del> <Icon name="right" size={12} /> <ins>{short(is[field])}</ins></li>)}
    </ul>
  );
}

function short(value: unknown): string {
  if (value === null || value === undefined) return "none";
  const text = typeof value === "string" ? value : jsonText(value, 0);
  return text.length > CUT ? `${text.slice(0, CUT)}…` : text || "none";
}
