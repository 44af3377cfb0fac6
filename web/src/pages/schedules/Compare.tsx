import { Button, FileButton, Textarea, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { Link } from "@tanstack/react-router";
import { answer, client } from "../../api/client";
import type { ComparedOut, ParityOut } from "../../api/schema";
import { useFieldErrors } from "../../components/form";
import { Icon } from "../../components/Icon";
import { StatusBadge } from "../../components/StatusBadge";
import { Time } from "../../components/Time";
import { toastError } from "../../components/toasts";
import { countText, plural } from "../../lib/time";
import classes from "./schedules.module.css";

const MOST_BYTES = 20_000_000;
const TOLD = 5;

/** Compare what schedules in the shadow would have run with the log of the system that still runs them; all of them without `ids`. */
export function Compare({ ids, timezone }: { ids?: readonly string[]; timezone: string }) {
  const [log, setLog] = useState("");
  const [zone, setZone] = useState(timezone);
  const [tolerance, setTolerance] = useState("60s");
  const [found, setFound] = useState<ParityOut | null>(null);
  const form = useFieldErrors(["log", "timezone", "tolerance", "from", "to"]);
  const edit = (change: () => void) => { change(); setFound(null); form.clear(); };
  const read = async (file: File | null) => {
    if (!file) return;
    if (file.size > MOST_BYTES) { toastError(new Error(`${file.name} is too large for a page: rota schedules parity reads it.`)); return; }
    const text = await file.text();
    edit(() => setLog(text));
  };
  const compare = async (event: FormEvent) => {
    event.preventDefault();
    setFound((await form.send(() => answer(client.POST("/api/schedules/parity", { body: { log, timezone: zone.trim() || "UTC", tolerance: tolerance.trim() || "60s", ids: [...(ids ?? [])] } })))) ?? null);
  };
  return (
    <form className="stack" aria-label="Compare with a log" onSubmit={(event) => void compare(event)}>
      <Textarea
        label="Log of the other system" description="Cron's part of syslog, or CSV or JSON lines with a name and a time." placeholder={"name,time\nnightly-report,2026-11-21T03:00:01Z"} required spellCheck={false}
        minRows={4} maxRows={10} autosize classNames={{ input: "mono" }} value={log} error={form.error("log") ?? form.error("from") ?? form.error("to")} onChange={(event) => { const { value } = event.currentTarget; edit(() => setLog(value)); }}
      />
      <div className="grid">
        <TextInput label="Time zone" description="Of times that say none." spellCheck={false} value={zone} error={form.error("timezone")} onChange={(event) => { const { value } = event.currentTarget; edit(() => setZone(value)); }} />
        <TextInput label="Tolerance" description="So far apart is still the same run." spellCheck={false} value={tolerance} error={form.error("tolerance")} onChange={(event) => { const { value } = event.currentTarget; edit(() => setTolerance(value)); }} />
      </div>
      <div className="row">
        <Button type="submit" variant="default" loading={form.busy} leftSection={<Icon name="eye" size={15} />}>Compare</Button>
        <FileButton onChange={(file) => void read(file)}>{(props) => <Button {...props} variant="subtle">Read a file</Button>}</FileButton>
      </div>
      {found && <Result found={found} alone={ids?.length === 1} />}
    </form>
  );
}

function Result({ found, alone }: { found: ParityOut; alone: boolean }) {
  const unknown = Object.entries(found.unknown);
  return (
    <div role="status" aria-label="Comparison" className="stack">
      <span className="row"><StatusBadge status={found.alike ? "ok" : "warning"} label={found.alike ? "Alike" : "Different"} /><span className="dim small"><Time at={found.from} form="local" /> – <Time at={found.to} form="local" /></span></span>
      <ul className={classes.compared} aria-label="Compared schedules">{found.schedules.map((one) => <li key={one.id}><One one={one} named={!alone} /></li>)}</ul>
      {unknown.length > 0 && <p className="dim small" style={{ margin: 0 }}>The log also has runs of {unknown.slice(0, TOLD).map(([name, count]) => `${name} (${countText(count)})`).join(", ")}{unknown.length > TOLD && ` and ${plural(unknown.length - TOLD, "other")}`}, which {alone ? "is none of this schedule" : "belong to no schedule in the shadow"}.</p>}
      {found.refused.length > 0 && <p className="dim small" style={{ margin: 0 }}>{plural(found.refused.length, "line")} not understood; line {found.refused[0]?.line} {found.refused[0]?.reason}.</p>}
    </div>
  );
}

function One({ one, named }: { one: ComparedOut; named: boolean }) {
  return (
    <>
      {named && <Link to="/schedules/$id" params={{ id: one.id }} className="strong">{one.id}</Link>}
      <span className="small">{plural(one.matched, "run")} in both{one.alike && ", and none in one only"}.</span>
      <Only times={one.missing} count={one.missingCount} text="ran there, and would not in Rota" />
      <Only times={one.extra} count={one.extraCount} text="would run in Rota, and did not there" />
    </>
  );
}

function Only({ times, count, text }: { times: readonly string[]; count: number; text: string }) {
  if (count === 0) return null;
  return <span className="small"><b>{countText(count)}</b> {text}: {times.slice(0, TOLD).map((at, place) => <span key={at} className="nowrap">{place > 0 && ", "}<Time at={at} form="local" /></span>)}{count > TOLD && ` and ${countText(count - TOLD)} more`}</span>;
}
