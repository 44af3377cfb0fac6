import { Button, NumberInput, Switch, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { answer, client } from "../../api/client";
import type { BackfillOut } from "../../api/schema";
import { useFieldErrors } from "../../components/form";
import { Icon } from "../../components/Icon";
import { Card } from "../../components/Page";
import { toast } from "../../components/toasts";
import { newKey } from "../../lib/key";
import { plural, shortTime, viewerZone } from "../../lib/time";
import classes from "./schedule.module.css";

const DAY_MS = 86_400_000;
const MOST = 100;
const two = (n: number) => String(n).padStart(2, "0");
/** A time as the field of the browser holds it: on the viewer's clock, to the second. */
const local = (at: Date) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
const utc = (text: string) => (Number.isNaN(Date.parse(text)) ? text : new Date(text).toISOString());

/** Run the instants of a range that made no job; first it is said which they are. */
export function Backfill({ id, close, changed }: { id: string; close: () => void; changed: () => void }) {
  const [from, setFrom] = useState(() => local(new Date(Date.now() - DAY_MS)));
  const [to, setTo] = useState(() => local(new Date()));
  const [limit, setLimit] = useState(MOST);
  const [beside, setBeside] = useState(false);
  const [found, setFound] = useState<BackfillOut | null>(null);
  const form = useFieldErrors(["from", "to", "limit"]);
  const ask = (dryRun: boolean) => form.send(() => answer(client.POST("/api/schedules/{id}/backfill", {
    params: { path: { id }, header: { "Idempotency-Key": newKey() } },
    body: { from: utc(from), to: utc(to), limit, overlap: beside ? "allow" : "queueAll", dryRun },
  })));
  const edit = (change: () => void) => { change(); setFound(null); form.clear(); };
  const preview = async (event: FormEvent) => { event.preventDefault(); setFound((await ask(true)) ?? null); };
  const run = async () => {
    const made = await ask(false);
    if (!made) return;
    toast(`${plural(made.jobs.length, "job")} of ${id} made up for what did not run`);
    changed();
    close();
  };
  return (
    <Card title="Backfill">
      <form className="stack" onSubmit={(event) => void preview(event)}>
        <p className="dim small" style={{ margin: 0 }}>Runs the instants of a range that made no job: missed, skipped, paused and the like, each as the schedule was then. Times are of {viewerZone}.</p>
        <div className="grid">
          <TextInput type="datetime-local" step={1} label="From" required data-autofocus value={from} error={form.error("from")} onChange={(event) => { const { value } = event.currentTarget; edit(() => setFrom(value)); }} />
          <TextInput type="datetime-local" step={1} label="To" required value={to} error={form.error("to")} onChange={(event) => { const { value } = event.currentTarget; edit(() => setTo(value)); }} />
          <NumberInput label="At most" min={1} allowDecimal={false} value={limit} error={form.error("limit")} onChange={(value) => edit(() => setLimit(Number(value) || 1))} />
        </div>
        <Switch label="All beside each other, not one after the other" checked={beside} onChange={(event) => { const { checked } = event.currentTarget; edit(() => setBeside(checked)); }} />
        {found && <Found found={found} />}
        <div className="row">
          <Button type="submit" variant={found?.count ? "default" : "filled"} loading={form.busy} leftSection={<Icon name="eye" size={15} />}>Show what would run</Button>
          {found !== null && found.count > 0 && <Button loading={form.busy} leftSection={<Icon name="play" size={15} />} onClick={() => void run()}>Run {plural(found.count, "instant")}</Button>}
          <Button variant="subtle" onClick={close}>Close</Button>
        </div>
      </form>
    </Card>
  );
}

function Found({ found }: { found: BackfillOut }) {
  if (found.count === 0) return <p className="small" role="status" style={{ margin: 0 }}>Nothing to make up for: every due instant of that time made a job.</p>;
  return (
    <div role="status">
      <p className="strong small" style={{ margin: "0 0 0.3rem" }}>{plural(found.count, "instant")} would run now:</p>
      <ol className={classes.instants}>{found.instants.map((at) => <li key={at}>{shortTime(at)}</li>)}</ol>
    </div>
  );
}
